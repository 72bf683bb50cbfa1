using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using EcomStream.PubSub.Broker.Resources;
using Microsoft.AspNetCore.Http;

namespace EcomStream.PubSub.Broker.Push;

/// <summary>
/// The tokens of push requests, OpenID Connect JWTs as the service sends them
/// (https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions), signed with RS256 by a key of this broker, which is
/// made anew when it starts. The public key is where the discovery document of the issuer says
/// (https://openid.net/specs/openid-connect-discovery-1_0.html).
/// </summary>
internal sealed class PushTokens(TimeProvider time) : IDisposable
{
    private const string KeysPath = "/.well-known/jwks.json";

    private static readonly TimeSpan _life = TimeSpan.FromHours(1);

    // A token that is sent is good for half of its life at least.
    private static readonly TimeSpan _use = _life / 2;

    private readonly Lazy<(RSA Key, string Id)> _key = new(() =>
    {
        var key = RSA.Create(2048);
        return (key, Base64Url.EncodeToString(SHA256.HashData(key.ExportSubjectPublicKeyInfo())));
    });

    private readonly ConcurrentDictionary<(string Email, string Audience), (string Token, DateTimeOffset Until)> _tokens = new();

    /// <summary>What the tokens name as their issuer: http and the broker's endpoint.</summary>
    public string Issuer { get; set; } = "";

    /// <summary>The token for an endpoint, without "Bearer".</summary>
    public string Token(OidcSettings settings, string endpoint)
    {
        var now = time.GetUtcNow();
        var key = (settings.Email, settings.Audience.Length > 0 ? settings.Audience : endpoint);
        if (!_tokens.TryGetValue(key, out var token) || token.Until <= now)
        {
            token = (Create(key.Email, key.Item2, now), now + _use);
            _tokens[key] = token;
        }

        return token.Token;
    }

    /// <summary>The discovery document. The keys are named at the address that the caller has found the broker at.</summary>
    public Task DiscoverAsync(HttpContext http) => http.Response.WriteAsJsonAsync(new
    {
        issuer = Issuer,
        jwks_uri = $"http://{http.Request.Host}{KeysPath}",
        id_token_signing_alg_values_supported = (string[])["RS256"],
        response_types_supported = (string[])["id_token"],
        subject_types_supported = (string[])["public"],
    });

    /// <summary>The public key as a JSON Web Key Set (RFC 7517).</summary>
    public Task KeysAsync(HttpContext http)
    {
        var (key, id) = _key.Value;
        var parameters = key.ExportParameters(includePrivateParameters: false);
        return http.Response.WriteAsJsonAsync(new
        {
            keys = (object[])
            [
                new
                {
                    kty = "RSA", alg = "RS256", use = "sig", kid = id,
                    n = Base64Url.EncodeToString(parameters.Modulus), e = Base64Url.EncodeToString(parameters.Exponent),
                },
            ],
        });
    }

    public void Dispose()
    {
        if (_key.IsValueCreated)
        {
            _key.Value.Key.Dispose();
        }
    }

    private string Create(string email, string audience, DateTimeOffset now)
    {
        var (key, id) = _key.Value;

        // Google's accounts have a number; this one is the same for the same account.
        var subject = BitConverter.ToUInt64(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(email))).ToString(System.Globalization.CultureInfo.InvariantCulture);
        var header = JsonSerializer.SerializeToUtf8Bytes(new { alg = "RS256", kid = id, typ = "JWT" });
        var claims = JsonSerializer.SerializeToUtf8Bytes(new
        {
            aud = audience,
            azp = subject,
            email,
            email_verified = true,
            exp = (now + _life).ToUnixTimeSeconds(),
            iat = now.ToUnixTimeSeconds(),
            iss = Issuer,
            sub = subject,
        });
        var signed = $"{Base64Url.EncodeToString(header)}.{Base64Url.EncodeToString(claims)}";
        lock (key)
        {
            var signature = key.SignData(System.Text.Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            return $"{signed}.{Base64Url.EncodeToString(signature)}";
        }
    }
}
