using System.Net;
using System.Reflection;
using System.Text;

namespace EcomStream.Cql.Protocol;

/// <summary>
/// Makes a connection ready for requests: OPTIONS, STARTUP, and authentication where the server asks for it
/// (native_protocol_v5.spec, sections 4.1.1 to 4.1.3).
/// </summary>
internal static class StartUp
{
    /// <summary>Name of the STARTUP request.</summary>
    public const string Name = "STARTUP";

    /// <summary>The newest version that this client speaks.</summary>
    public const byte NewestVersion = 5;

    /// <summary>The oldest.</summary>
    public const byte OldestVersion = 4;

    private const string Closed = "It accepted the connection and closed it before the first answer.";

    private static readonly string _clientVersion =
        typeof(StartUp).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0";

    /// <summary>Asks what the server supports; also the heartbeat.</summary>
    public static CqlRequest Options { get; } = new(Opcode.Options, ReadOnlyMemory<byte>.Empty, "OPTIONS");

    /// <summary>Opens a connection with the newest version that both sides speak.</summary>
    /// <param name="endpoint">The node.</param>
    /// <param name="host">The name it is known by, for TLS.</param>
    /// <param name="version">The version to use; 0 to agree on one.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="tls">TLS; null for none.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <exception cref="CqlException">The node does not answer, or refuses.</exception>
    public static async Task<CqlConnection> OpenAsync(
        IPEndPoint endpoint, string host, byte version, CqlSettings settings, TlsHandshake? tls, TimeProvider time, CancellationToken cancellationToken)
    {
        for (var tried = version == 0 ? NewestVersion : version; ; tried--)
        {
            try
            {
                return await OpenWithAsync(endpoint, host, tried, settings, tls, time, cancellationToken);
            }
            catch (CqlServerException refused)
                when (refused.Code == CqlErrorCode.ProtocolError && version == 0 && tried > OldestVersion
                    && refused.ServerMessage.Contains("version", StringComparison.OrdinalIgnoreCase))
            {
                // It names the versions that it speaks; ours are tried in turn.
            }
        }
    }

    private static async Task<CqlConnection> OpenWithAsync(
        IPEndPoint endpoint, string host, byte version, CqlSettings settings, TlsHandshake? tls, TimeProvider time, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(settings.ConnectTimeout);
        var stream = await CqlConnection.ConnectAsync(endpoint, settings.ConnectTimeout, cancellationToken);
        CqlConnection? connection = null;
        try
        {
            if (tls is not null)
            {
                stream = await tls.SecureAsync(stream, host, endpoint.ToString(), deadline.Token);
            }

            connection = new CqlConnection(stream, endpoint, version, settings, time);
            await StartAsync(connection, settings, deadline.Token);
            return connection;
        }
        catch (Exception failed)
        {
            if (connection is not null)
            {
                await connection.DisposeAsync();
            }
            else
            {
                await stream.DisposeAsync();
            }

            if (failed is OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                // A node that requires TLS closes the connection; silence has other causes.
                throw new CqlTimeoutException(
                    $"{endpoint} accepted the connection but did not answer within {settings.ConnectTimeout.TotalSeconds} s: the node is starting, overloaded or stopped, or the port is not Cassandra's native port.");
            }

            if (failed is CqlConnectionException && connection is not null)
            {
                var (hint, setting) = WhyClosed(tls is not null);
                throw new CqlConnectionException($"{failed.Message} {hint}", failed) { Setting = setting };
            }

            throw;
        }
    }

    /// <summary>Why a node may have closed a connection before its first answer, and the setting to check.</summary>
    /// <param name="hasTls">Whether the connection has TLS.</param>
    public static (string Hint, string Setting) WhyClosed(bool hasTls) => hasTls
        // A node that refuses a certificate ends the connection, which a client learns after its own handshake.
        ? ($"{Closed} The node may require a client certificate (check Tls.CertificateFile), or it may be starting or stopping.",
            $"{nameof(CqlSettings.Tls)}.{nameof(CqlTls.CertificateFile)}")
        : ($"{Closed} The node may require TLS (set Tls), or it may be starting or stopping.", nameof(CqlSettings.Tls));

    private static async Task StartAsync(CqlConnection connection, CqlSettings settings, CancellationToken cancellationToken)
    {
        var supported = new ByteReader((await connection.SendAsync(Options, cancellationToken)).Body).StringMultimap();
        var options = new List<KeyValuePair<string, string>>
        {
            new("CQL_VERSION", "3.0.0"),
            new("DRIVER_NAME", "EcomStream"),
            new("DRIVER_VERSION", _clientVersion),
        };
        if (settings.Compression)
        {
            if (!supported.TryGetValue("COMPRESSION", out var algorithms) || !algorithms.Contains("lz4"))
            {
                throw new CqlConfigurationException($"{connection.Endpoint} does not support LZ4. Turn Compression off.") { Setting = nameof(CqlSettings.Compression) };
            }

            options.Add(new("COMPRESSION", "lz4"));
        }

        using var startUp = new ByteWriter();
        startUp.StringMap(options);
        var answer = await connection.SendAsync(new CqlRequest(Opcode.Startup, startUp.WrittenMemory, Name), cancellationToken);
        if (answer.Opcode == Opcode.Authenticate)
        {
            await AuthenticateAsync(connection, new ByteReader(answer.Body).String(), settings, cancellationToken);
        }
        else if (answer.Opcode != Opcode.Ready)
        {
            throw new CqlProtocolException($"{connection.Endpoint} answers STARTUP with {answer.Opcode}.");
        }
    }

    // SASL PLAIN (RFC 4616): what PasswordAuthenticator asks for. DataStax's authenticator knows several mechanisms: it
    // is told which one first, and answers that it may begin.
    private static async Task AuthenticateAsync(
        CqlConnection connection, string authenticator, CqlSettings settings, CancellationToken cancellationToken)
    {
        if (settings.Username.Length == 0)
        {
            throw new CqlAuthenticationException(
                $"{connection.Endpoint} requires a role ({authenticator}). Set Username and Password.") { Setting = nameof(CqlSettings.Username) };
        }

        var token = Encoding.UTF8.GetBytes($"\0{settings.Username}\0{settings.Password}");
        var first = authenticator.EndsWith(".DseAuthenticator", StringComparison.Ordinal) ? "PLAIN"u8.ToArray() : token;
        var answer = await RespondAsync(connection, first, cancellationToken);
        if (answer.Opcode == Opcode.AuthChallenge)
        {
            var challenge = new ByteReader(answer.Body).BytesOrNull() ?? [];
            if (!challenge.AsSpan().SequenceEqual("PLAIN-START"u8))
            {
                throw new CqlAuthenticationException(
                    $"{connection.Endpoint} ({authenticator}) asks for more than a role and a password; this client knows SASL PLAIN alone.");
            }

            answer = await RespondAsync(connection, token, cancellationToken);
        }

        if (answer.Opcode != Opcode.AuthSuccess)
        {
            throw new CqlAuthenticationException($"{connection.Endpoint} ({authenticator}) answers the role and password with {answer.Opcode}.");
        }
    }

    private static async Task<CqlResponse> RespondAsync(CqlConnection connection, byte[] token, CancellationToken cancellationToken)
    {
        using var body = new ByteWriter();
        body.Value(token);
        return await connection.SendAsync(new CqlRequest(Opcode.AuthResponse, body.WrittenMemory, "AUTH_RESPONSE"), cancellationToken);
    }
}
