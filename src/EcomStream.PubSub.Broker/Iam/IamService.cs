using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.State;
using Google.Cloud.Iam.V1;
using Google.Protobuf;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Iam;

/// <summary>
/// google.iam.v1.IAMPolicy of topics, subscriptions and snapshots. Policies are stored and returned, and not enforced: a
/// caller has every permission.
/// </summary>
[BindServiceMethod(typeof(IamBinding), nameof(IamBinding.BindService))]
internal sealed class IamService(BrokerState state, Durability durability) : IAMPolicy.IAMPolicyBase
{
    public override async Task<Policy> SetIamPolicy(SetIamPolicyRequest request, ServerCallContext context)
    {
        Policies.Check(request.Policy);
        var policy = state.SetPolicy(request.Resource, current => Policies.Replaced(current, request.Policy));
        await durability.WrittenAsync();
        return Policies.Parse(policy);
    }

    public override Task<Policy> GetIamPolicy(GetIamPolicyRequest request, ServerCallContext context)
    {
        // https://cloud.google.com/iam/docs/reference/rpc/google.iam.v1#getpolicyoptions
        if (request.Options?.RequestedPolicyVersion is not (null or 0 or 1 or 3))
        {
            throw ServiceCalls.Invalid($"options.requested_policy_version is {request.Options.RequestedPolicyVersion}; it must be 0, 1 or 3.");
        }

        return Task.FromResult(Policies.Parse(state.GetPolicy(request.Resource)));
    }

    /// <summary>"If the resource does not exist, this will return an empty set of permissions, not a NOT_FOUND error."</summary>
    public override Task<TestIamPermissionsResponse> TestIamPermissions(TestIamPermissionsRequest request, ServerCallContext context)
    {
        if (request.Permissions.FirstOrDefault(permission => permission.Contains('*', StringComparison.Ordinal)) is { } wildcard)
        {
            throw ServiceCalls.Invalid($"The permission {wildcard} has a wildcard, which is not allowed.");
        }

        var response = new TestIamPermissionsResponse();
        if (state.Exists(request.Resource))
        {
            response.Permissions.Add(request.Permissions);
        }

        return Task.FromResult(response);
    }
}

/// <summary>Binds the service as generated, with the errors of <see cref="AllBut"/>.</summary>
internal static class IamBinding
{
    public static void BindService(ServiceBinderBase binder, IAMPolicy.IAMPolicyBase? service) => IAMPolicy.BindService(new AllBut(binder, ""), service!);
}
