using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Resources;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker.Fields;

/// <summary>
/// google.pubsub.v1.PushConfig to what the broker keeps of it, and back:
/// https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1#pushconfig.
/// </summary>
internal static class PushFields
{
    private const string VersionAttribute = "x-goog-version";

    /// <summary>The settings; null where messages are pulled.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT or UNIMPLEMENTED, with the field's name.</exception>
    public static PushSettings? Settings(PushConfig? config)
    {
        if (config is null || config.CalculateSize() == 0)
        {
            return null;
        }

        if (!Uri.TryCreate(config.PushEndpoint, UriKind.Absolute, out var endpoint) || endpoint.Scheme is not ("http" or "https"))
        {
            throw ServiceCalls.Invalid($"push_config.push_endpoint is '{config.PushEndpoint}'; it must be a URL, http or https.");
        }

        foreach (var (name, value) in config.Attributes)
        {
            if (name != VersionAttribute || value != "v1")
            {
                throw ServiceCalls.Unimplemented($"push_config.attributes['{name}'] = '{value}'");
            }
        }

        if (config.OidcToken is { ServiceAccountEmail.Length: 0 })
        {
            throw ServiceCalls.Invalid("push_config.oidc_token.service_account_email is empty; it is the account that the token names.");
        }

        return new PushSettings(config.PushEndpoint)
        {
            Attributes = config.Attributes.ToDictionary(),
            Oidc = config.OidcToken is { } oidc ? new OidcSettings(oidc.ServiceAccountEmail, oidc.Audience) : null,
            IsUnwrapped = config.NoWrapper is not null,
            WritesMetadata = config.NoWrapper?.WriteMetadata == true,
        };
    }

    public static PushConfig ToProto(PushSettings? settings)
    {
        var config = new PushConfig();
        if (settings is null)
        {
            return config;
        }

        config.PushEndpoint = settings.Endpoint;
        config.Attributes.Add(settings.Attributes.ToDictionary());
        if (settings.Oidc is { } oidc)
        {
            config.OidcToken = new PushConfig.Types.OidcToken { ServiceAccountEmail = oidc.Email, Audience = oidc.Audience };
        }

        if (settings.IsUnwrapped)
        {
            config.NoWrapper = new PushConfig.Types.NoWrapper { WriteMetadata = settings.WritesMetadata };
        }

        return config;
    }
}
