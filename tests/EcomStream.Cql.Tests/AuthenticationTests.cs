using EcomStream.Cql.TestSupport;
using System.Text;
using EcomStream.Cql.Protocol;

namespace EcomStream.Cql.Tests;

/// <summary>
/// What servers ask of a client before its first request, where the real one of the other tests does not: challenges
/// (native_protocol_v5.spec, sections 4.2.7 and 4.2.8), and no more than protocol v4.
/// </summary>
public sealed class AuthenticationTests
{
    private const string Password = "org.apache.cassandra.auth.PasswordAuthenticator";
    private const string DataStax = "com.datastax.bdp.cassandra.auth.DseAuthenticator";

    private readonly List<string> _tokens = [];

    [Theory]
    [InlineData(Password, null, "|admin|secret")]
    [InlineData(DataStax, "PLAIN-START", "PLAIN", "|admin|secret")]
    [InlineData(Password, "PLAIN-START", "|admin|secret", "|admin|secret")]
    public async Task A_role_and_a_password_are_given_as_the_server_asks_for_them(string authenticator, string? challenge, params string[] tokens)
    {
        await using var node = Node(authenticator, challenge, tokens.Length);

        await using var connection = await OpenAsync(node);

        _tokens.ShouldBe(tokens);
        connection.Version.ShouldBe((byte)4);
        connection.IsOpen.ShouldBeTrue();
    }

    [Fact]
    public async Task A_challenge_that_the_client_cannot_meet_is_an_authentication_failure_with_the_authenticators_name()
    {
        await using var node = Node("com.example.Kerberos", "nonce", int.MaxValue);

        var error = await Should.ThrowAsync<CqlAuthenticationException>(() => OpenAsync(node));

        error.Message.ShouldContain("com.example.Kerberos");
        error.Message.ShouldContain("SASL PLAIN");
        error.Message.ShouldNotContain("secret");
    }

    [Fact]
    public async Task Without_a_role_the_error_names_the_settings_to_set()
    {
        await using var node = Node(Password, null, 1);

        var error = await Should.ThrowAsync<CqlAuthenticationException>(() => OpenAsync(node, user: ""));

        error.Message.ShouldContain("Username and Password");
        error.Setting.ShouldBe(nameof(CqlSettings.Username));
        _tokens.ShouldBeEmpty();
    }

    private static Task<CqlConnection> OpenAsync(ScriptedNode node, string user = "admin") => StartUp.OpenAsync(
        node.Endpoint,
        "localhost",
        0,
        new CqlSettings { ContactPoints = [node.Endpoint.ToString()], Username = user, Password = "secret" },
        null,
        TimeProvider.System,
        CancellationToken.None);

    // Accepts after so many tokens; before that it sends the challenge.
    private ScriptedNode Node(string authenticator, string? challenge, int tokens) => new((request, body) =>
    {
        switch (request)
        {
            case Opcode.Options:
                return (Opcode.Supported, answer => answer.Short(0));
            case Opcode.Startup:
                return (Opcode.Authenticate, answer => answer.String(authenticator));
            case Opcode.AuthResponse:
                _tokens.Add(Encoding.UTF8.GetString(body.AsSpan(sizeof(int))).Replace('\0', '|'));
                return _tokens.Count == tokens
                    ? (Opcode.AuthSuccess, answer => answer.NullValue())
                    : (Opcode.AuthChallenge, answer => answer.Value(Encoding.UTF8.GetBytes(challenge!)));
            default:
                throw new InvalidOperationException($"{request} was not expected.");
        }
    });
}
