using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>
/// Makes the errors of unary calls statuses that say what happened: a method of the definitions that nothing implements
/// is named, a disk that cannot be written is RESOURCE_EXHAUSTED, and what is not expected is logged.
/// </summary>
internal sealed class CallErrors(ILogger<CallErrors> logger) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
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
}
