using EcomStream.PubSub.Broker.Calls;
using Google.Cloud.Iam.V1;
using Google.Protobuf;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Iam;

/// <summary>Policies as they are stored, a serialized google.iam.v1.Policy in base64, and what may replace one.</summary>
internal static class Policies
{
    // What Google's services return where no policy was set.
    private static readonly ByteString _etagOfNone = ByteString.FromBase64("ACAB");

    public static Policy Parse(string? stored) =>
        stored is null ? new Policy { Etag = _etagOfNone } : Policy.Parser.ParseFrom(Convert.FromBase64String(stored));

    /// <exception cref="RpcException">INVALID_ARGUMENT: it is not a policy.</exception>
    public static void Check(Policy? policy)
    {
        if (policy is null)
        {
            throw ServiceCalls.Invalid("The request has no policy.");
        }

        if (policy.Version is not (0 or 1 or 3))
        {
            throw ServiceCalls.Invalid($"policy.version is {policy.Version}; it must be 0, 1 or 3.");
        }

        foreach (var binding in policy.Bindings)
        {
            if (binding.Role.Length == 0 || binding.Members.Count == 0)
            {
                throw ServiceCalls.Invalid($"The binding of the role '{binding.Role}' must name a role and at least one member.");
            }

            if (binding.Condition is not null && policy.Version != 3)
            {
                throw ServiceCalls.Invalid($"The binding of the role '{binding.Role}' has a condition: policy.version must be 3.");
            }
        }
    }

    /// <summary>The new policy with an etag of its own.</summary>
    /// <exception cref="RpcException">ABORTED: the etag is not that of the current policy.</exception>
    public static string Replaced(string? current, Policy wanted)
    {
        if (wanted.Etag.Length > 0 && wanted.Etag != Parse(current).Etag)
        {
            throw new RpcException(new Status(
                StatusCode.Aborted, "The policy has changed since the etag of the request was read: read it again, change it and set it."));
        }

        var policy = wanted.Clone();
        policy.Version = Math.Max(1, policy.Version);
        policy.Etag = ByteString.CopyFrom(Guid.NewGuid().ToByteArray().AsSpan(0, 8));
        return policy.ToByteString().ToBase64();
    }
}
