using Akka.Configuration;
using EcomStream.Core;
using EcomStream.PubSub;
using EcomStream.PubSub.Broker;
using Grpc.Core;

namespace EcomStream.Host.Commands;

/// <summary>
/// Exit codes: 0 done, 1 failed, 2 the user has to change something first. An expected error is one line on standard
/// error, not a stack trace.
/// </summary>
internal static class Exit
{
    public const int Ok = 0;
    public const int Failed = 1;
    public const int Usage = 2;

    public static async Task<int> CodeOf(Func<Task<int>> command)
    {
        try
        {
            return await command();
        }
        catch (OperationCanceledException)
        {
            return Ok;
        }
        catch (Exception error) when (error is UsageException or ConfigurationException or BrokerStartException
            or SubscriptionFailedException or StoreRejectedException or NotSupportedException or PublishFailedException
            or PubSubAdminException or PubSubCredentialsException)
        {
            await Console.Error.WriteLineAsync("ecomstream: " + error.Message);
            return Usage;
        }
        catch (StoreUnavailableException error)
        {
            await Console.Error.WriteLineAsync("ecomstream: " + error.Message);
            return Failed;
        }
        catch (RpcException error)
        {
            await Console.Error.WriteLineAsync($"ecomstream: Pub/Sub answers {error.StatusCode}: {error.Status.Detail}");
            return error.StatusCode is StatusCode.NotFound or StatusCode.InvalidArgument or StatusCode.PermissionDenied ? Usage : Failed;
        }
        catch (Exception error)
        {
            await Console.Error.WriteLineAsync("ecomstream: " + error);
            return Failed;
        }
    }
}
