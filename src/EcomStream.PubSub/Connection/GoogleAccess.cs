using System.Net;
using System.Text.Json;
using Google.Apis.Auth.OAuth2;
using Google.Apis.Auth.OAuth2.Responses;
using Google.Apis.Http;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>
/// Who this process is for Google Cloud: what <c>ecomstream.pubsub.credentials</c> names, or Application Default
/// Credentials (https://cloud.google.com/docs/authentication/application-default-credentials).
/// </summary>
internal sealed class GoogleAccess
{
    // What the service's own clients ask for (https://developers.google.com/identity/protocols/oauth2/scopes#pubsub).
    private static readonly string[] _scopes = ["https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/pubsub"];

    private static readonly string[] _kinds =
    [
        JsonCredentialParameters.ServiceAccountCredentialType,
        JsonCredentialParameters.AuthorizedUserCredentialType,
        JsonCredentialParameters.ExternalAccountCredentialType,
        JsonCredentialParameters.ImpersonatedServiceAccountCredentialType,
    ];

    private readonly ITokenAccessWithHeaders _tokens;
    private readonly string _audience;

    // A token that this process signs itself is for the audience.
    private GoogleAccess(ITokenAccessWithHeaders tokens, string audience, string description) =>
        (_tokens, _audience, Description) = (tokens, audience, description);

    /// <summary>Whose credentials they are and where they are from, for messages to a human; never a secret.</summary>
    public string Description { get; }

    /// <summary>Loads the credentials and asks for the first token, so that what is wrong is known before anything is read.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="logger">Where a token server that is not there is reported: tokens are asked for again with each request.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <param name="http">How token servers are reached; the library's own way when left out.</param>
    /// <exception cref="PubSubCredentialsException">There are none, or they are wrong; the message says what was tried.</exception>
    public static async Task<GoogleAccess> LoadAsync(
        PubSubSettings settings, ILogger logger, CancellationToken cancellationToken, IHttpClientFactory? http = null)
    {
        var wanted = settings.Credentials;
        var (credential, description) = wanted.File.Length > 0
            ? (await FromFileAsync(wanted.File, cancellationToken), $"the file {wanted.File}")
            : await DefaultAsync(cancellationToken);
        if (http is not null)
        {
            credential = credential.CreateWithHttpClientFactory(http);
        }

        try
        {
            credential = await ShapeAsync(credential, description, settings, http, cancellationToken);
        }
        catch (Exception wrong) when (wrong is InvalidOperationException or ArgumentException or HttpRequestException)
        {
            throw new PubSubCredentialsException($"The credentials from {description} cannot be used: {wrong.Message}", wrong);
        }

        if (credential.UnderlyingCredential is ServiceAccountCredential { Id: { } account })
        {
            description += $" ({account})";
        }

        if (wanted.Impersonate.Length > 0)
        {
            description += $", acting as {wanted.Impersonate}";
        }

        var access = new GoogleAccess((ITokenAccessWithHeaders)credential, settings.TokenAudience, description);
        try
        {
            await access.HeadersAsync(cancellationToken);
        }
        catch (Exception refused) when (IsRefusal(refused) || refused is InvalidOperationException or ArgumentException or FileNotFoundException)
        {
            throw new PubSubCredentialsException(
                $"No access token for Pub/Sub with the credentials from {description}: {refused.Message}", refused);
        }
        catch (Exception away) when (away is TokenResponseException or HttpRequestException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
        {
            logger.LogWarning("The token server of the credentials from {Credentials} does not answer: {Reason}; it is asked again", description, away.Message);
        }

        return access;
    }

    /// <summary>
    /// The credentials of each call. Where the token server refuses them, as when a key was deleted, the call ends with
    /// UNAUTHENTICATED and is not tried again.
    /// </summary>
    public CallCredentials ForCalls() => CallCredentials.FromInterceptor(async (context, metadata) =>
    {
        try
        {
            foreach (var (name, value) in await HeadersAsync(context.CancellationToken))
            {
                metadata.Add(name, value);
            }
        }
        catch (TokenResponseException refused) when (IsRefusal(refused))
        {
            throw new RpcException(new Status(StatusCode.Unauthenticated, $"no access token: {refused.Message}", refused));
        }
    });

    /// <summary>The headers of a call: the token and, where there is one, the quota project.</summary>
    internal async Task<IReadOnlyList<(string Name, string Value)>> HeadersAsync(CancellationToken cancellationToken)
    {
        var token = await _tokens.GetAccessTokenWithHeadersForRequestAsync(_audience, cancellationToken);
        return
        [
            ("authorization", $"Bearer {token.AccessToken}"),
            .. token.Headers.SelectMany(header => header.Value.Select(value => (header.Key.ToLowerInvariant(), value))),
        ];
    }

    // A token server that is overloaded, or out of order, may give a token later.
    private static bool IsRefusal(Exception error) => error is TokenResponseException
    {
        StatusCode: null or (>= HttpStatusCode.BadRequest and < HttpStatusCode.InternalServerError and not HttpStatusCode.RequestTimeout and not HttpStatusCode.TooManyRequests)
    };

    private static async Task<GoogleCredential> FromFileAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            await using var content = File.OpenRead(file);
            using var json = await JsonDocument.ParseAsync(content, cancellationToken: cancellationToken);
            var kind = json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("type", out var type)
                ? type.GetString()
                : null;
            return _kinds.Contains(kind)
                ? await CredentialFactory.FromFileAsync(file, kind, cancellationToken)
                : throw new PubSubCredentialsException($"The credentials file {file} has the type '{kind}': it must be {string.Join(", ", _kinds)}.");
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException or ArgumentException or FormatException)
        {
            throw new PubSubCredentialsException($"The credentials file {file} cannot be read: {wrong.Message}", wrong);
        }
    }

    private static async Task<(GoogleCredential Credential, string Description)> DefaultAsync(CancellationToken cancellationToken)
    {
        const string Variable = "GOOGLE_APPLICATION_CREDENTIALS";
        var file = Environment.GetEnvironmentVariable(Variable);
        try
        {
            var credential = await GoogleCredential.GetApplicationDefaultAsync(cancellationToken);
            return (credential, string.IsNullOrEmpty(file) ? "Application Default Credentials" : $"{Variable}={file}");
        }
        catch (Exception none) when (none is InvalidOperationException or IOException or ArgumentException or JsonException)
        {
            throw new PubSubCredentialsException(
                "No credentials for Google Cloud. Tried ecomstream.pubsub.credentials.file (empty), "
                + (string.IsNullOrEmpty(file) ? $"{Variable} (not set), " : $"{Variable}={file}, ")
                + "what 'gcloud auth application-default login' leaves, and the machine's own account (no metadata server). "
                + $"Set one of them, or {PubSubSettings.EmulatorVariable} for an emulator. {none.Message}",
                none);
        }
    }

    private static async Task<GoogleCredential> ShapeAsync(
        GoogleCredential credential, string description, PubSubSettings settings, IHttpClientFactory? http, CancellationToken cancellationToken)
    {
        var universe = await credential.GetUniverseDomainAsync(cancellationToken);
        if (universe != settings.UniverseDomain)
        {
            throw new PubSubCredentialsException(
                $"The credentials from {description} are for the universe {universe}, and ecomstream.pubsub.universe-domain is {settings.UniverseDomain}.");
        }

        if (settings.Credentials.Impersonate.Length > 0)
        {
            credential = credential.CreateScoped(_scopes)
                .Impersonate(new ImpersonatedCredential.Initializer(settings.Credentials.Impersonate) { Scopes = _scopes, HttpClientFactory = http });
        }
        else if (credential.UnderlyingCredential is ServiceAccountCredential account)
        {
            // It signs its tokens itself, and asks no token server.
            credential = account.WithUseJwtAccessWithScopes(true).ToGoogleCredential().CreateScoped(_scopes);
        }
        else if (credential.IsCreateScopedRequired)
        {
            credential = credential.CreateScoped(_scopes);
        }

        return settings.Credentials.QuotaProject.Length > 0 ? credential.CreateWithQuotaProject(settings.Credentials.QuotaProject) : credential;
    }
}

/// <summary>Google Cloud cannot be asked as anyone: credentials are missing or wrong.</summary>
/// <param name="message">What was tried, and what to set.</param>
/// <param name="innerException">What the library found.</param>
public sealed class PubSubCredentialsException(string message, Exception? innerException = null) : Exception(message, innerException);
