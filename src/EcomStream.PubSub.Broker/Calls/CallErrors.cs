using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.Calls;

/// <summary>
/// Makes the errors of unary calls statuses that say what happened: a method of the definitions that nothing implements
/// is named, so is a field that the definitions lack, a disk that cannot be written is RESOURCE_EXHAUSTED, and what is not expected is logged.
/// </summary>
internal sealed class CallErrors(ILogger<CallErrors> logger, bool lenient) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            CheckFields(request, context.Method);
            return await continuation(request, context);
        }
        catch (RpcException missing) when (missing.StatusCode == StatusCode.Unimplemented && missing.Status.Detail.Length == 0)
        {
            throw ServiceCalls.Unimplemented(context.Method.TrimStart('/'));
        }
        catch (IOException full)
        {
            throw ServiceCalls.CannotWrite(full);
        }
        catch (Exception error) when (error is not RpcException && !context.CancellationToken.IsCancellationRequested)
        {
            logger.LogError(error, "{Method} failed", context.Method);
            throw;
        }
    }

    // Settling is not looked into: its requests are large and many, and have had the same fields since the first version.
    private void CheckFields(object request, string method)
    {
        if (request is not IMessage message || request is AcknowledgeRequest or ModifyAckDeadlineRequest)
        {
            return;
        }

        var unknown = UnsupportedFields.UnknownIn(message);
        if (unknown.Count == 0)
        {
            return;
        }

        var names = string.Join(", ", unknown);
        if (!lenient)
        {
            throw ServiceCalls.Unimplemented(names);
        }

        logger.LogWarning("{Method}: {Fields} have no effect", method, names);
    }
}
