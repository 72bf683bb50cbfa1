using Google.Cloud.Iam.V1;
using Google.Cloud.PubSub.V1;
using Google.Cloud.PubSub.V1.Schemas;
using Grpc.Core;
using Grpc.Core.Interceptors;

namespace EcomStream.PubSub.Broker.Faults;

/// <summary>The faults that calls meet. Without any, a call costs one look at an empty array.</summary>
internal sealed class FaultInjection(TimeProvider time) : Interceptor
{
    private static readonly HashSet<string> _methods =
    [
        .. new[] { Publisher.Descriptor, Subscriber.Descriptor, SchemaService.Descriptor, IAMPolicy.Descriptor }.SelectMany(service => service.Methods.Select(method => $"/{service.FullName}/{method.Name}")),
    ];

    private readonly Lock _lock = new();
    private volatile ActiveFault[] _faults = [];

    /// <summary>The faults, with the calls that each still meets.</summary>
    public IReadOnlyList<BrokerFault> All
    {
        get
        {
            lock (_lock)
            {
                return [.. _faults.Select(entry => entry.Fault with { Times = entry.Left })];
            }
        }
    }

    /// <returns>Removes the fault.</returns>
    /// <exception cref="ArgumentException">There is no such method, or the fault has no effect.</exception>
    public IDisposable Add(BrokerFault fault)
    {
        if (fault.Method != BrokerFault.AnyMethod && !_methods.Any(method => IsOf(fault, method)))
        {
            throw new ArgumentException($"'{fault.Method}' is not a method of Publisher, Subscriber, SchemaService or IAMPolicy; * stands for any.", nameof(fault));
        }

        if (fault.Status is null or StatusCode.OK && fault.Delay <= TimeSpan.Zero)
        {
            throw new ArgumentException("The fault has neither a delay nor a status that is an error.", nameof(fault));
        }

        if (fault.Times <= 0)
        {
            throw new ArgumentException($"The fault is for {fault.Times} calls; it must be at least 1.", nameof(fault));
        }

        if (fault.AfterEffect && fault.Method == nameof(Subscriber.SubscriberBase.StreamingPull))
        {
            throw new ArgumentException("AfterEffect is not supported for StreamingPull: a stream takes effect while it is open.", nameof(fault));
        }

        var entry = new ActiveFault(fault);
        lock (_lock)
        {
            _faults = [.. _faults, entry];
        }

        return new Removal(this, entry);
    }

    public void Clear()
    {
        lock (_lock)
        {
            _faults = [];
        }
    }

    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        if (Take(context.Method) is not { } fault)
        {
            return await continuation(request, context);
        }

        try
        {
            await DelayAsync(fault, context);
            if (!fault.AfterEffect)
            {
                ThrowIfError(fault, context);
            }
        }
        catch
        {
            // Nobody else gives its buffers back.
            (request as IDisposable)?.Dispose();
            throw;
        }

        var response = await continuation(request, context);
        ThrowIfError(fault, context);
        return response;
    }

    public override async Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        DuplexStreamingServerMethod<TRequest, TResponse> continuation)
    {
        if (Take(context.Method) is { } fault)
        {
            await DelayAsync(fault, context);
            ThrowIfError(fault, context);
        }

        await continuation(requestStream, responseStream, context);
    }

    // The first fault that is for the method, which meets one call fewer from now on.
    private BrokerFault? Take(string method)
    {
        if (_faults.Length == 0 || !_methods.Contains(method))
        {
            return null;
        }

        lock (_lock)
        {
            var entry = _faults.FirstOrDefault(entry => IsOf(entry.Fault, method));
            if (entry is { Left: { } left })
            {
                entry.Left = left - 1;
                _faults = left == 1 ? [.. _faults.Where(other => other != entry)] : _faults;
            }

            return entry?.Fault;
        }
    }

    private Task DelayAsync(BrokerFault fault, ServerCallContext context) =>
        fault.Delay > TimeSpan.Zero ? Task.Delay(fault.Delay, time, context.CancellationToken) : Task.CompletedTask;

    private static bool IsOf(BrokerFault fault, string method) =>
        fault.Method == BrokerFault.AnyMethod || method.EndsWith("/" + fault.Method, StringComparison.Ordinal);

    private static void ThrowIfError(BrokerFault fault, ServerCallContext context)
    {
        if (fault.Status is { } status && status != StatusCode.OK)
        {
            throw new RpcException(new Status(status, $"A fault was injected into {context.Method.TrimStart('/')}."));
        }
    }

    private sealed class ActiveFault(BrokerFault fault)
    {
        public BrokerFault Fault { get; } = fault;

        public int? Left { get; set; } = fault.Times;
    }

    private sealed class Removal(FaultInjection faults, ActiveFault entry) : IDisposable
    {
        public void Dispose()
        {
            lock (faults._lock)
            {
                faults._faults = [.. faults._faults.Where(other => other != entry)];
            }
        }
    }
}
