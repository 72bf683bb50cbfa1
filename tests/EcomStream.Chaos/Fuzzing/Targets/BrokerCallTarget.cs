using System.Diagnostics;
using EcomStream.PubSub.Broker;
using EcomStream.PubSub.Broker.Delivery;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Net.Client;

namespace EcomStream.Chaos.Fuzzing.Targets;

/// <summary>
/// Requests to a broker over gRPC, to every method. Its statuses are those of a request that is wrong; it does not fail
/// unexpectedly, and answers healthy requests as before.
/// </summary>
internal sealed class BrokerCallTarget : IFuzzTarget
{
    private const int Health = 200;
    private static readonly Marshaller<byte[]> _bytes = Marshallers.Create<byte[]>(bytes => bytes, bytes => bytes);
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan _pullDeadline = TimeSpan.FromMilliseconds(100);

    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"ecomstream-fuzz-{Guid.NewGuid():n}");
    private readonly EmbeddedBroker _broker;
    private readonly GrpcChannel _channel;
    private readonly List<(Method<byte[], byte[]> Method, IReadOnlyList<byte[]> Corpus)> _methods;
    private int _calls;

    public BrokerCallTarget()
    {
        _broker = EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { DataDirectory = _folder, Fsync = FsyncPolicy.Never }).GetAwaiter().GetResult();
        _channel = GrpcChannel.ForAddress($"http://{_broker.Endpoint}");
        new Publisher.PublisherClient(_channel).CreateTopic(new Topic { Name = PublishRequests.Topic });
        new Subscriber.SubscriberClient(_channel).CreateSubscription(new Subscription { Name = Subscription("healthy"), Topic = PublishRequests.Topic });
        _methods =
        [
            .. new[] { Publisher.Descriptor, Subscriber.Descriptor }.SelectMany(service => service.Methods)
                .Where(method => method.InputType.Name is not ("DeleteTopicRequest" or "DeleteSubscriptionRequest" or "DetachSubscriptionRequest"))
                .Select(method => (
                    new Method<byte[], byte[]>(
                        method.IsServerStreaming ? MethodType.DuplexStreaming : MethodType.Unary, method.Service.FullName, method.Name, _bytes, _bytes),
                    CorpusOf(method))),
        ];
    }

    public string Name => "broker-calls";

    public int Weight => 10;

    public void Run(FuzzInput input)
    {
        var (method, corpus) = _methods[input.Random.Next(_methods.Count)];
        var request = input.Next(corpus, PublishRequests.Tokens);
        try
        {
            Call(method, request);
        }
        catch (RpcException refused) when (IsExpected(refused.StatusCode) || (method.Name == "Pull" && refused.StatusCode == StatusCode.DeadlineExceeded))
        {
            // As documented.
        }
        catch (RpcException refused)
        {
            throw new FuzzException($"{method.Name} answers {refused.StatusCode}: {refused.Status.Detail}");
        }

        if (++_calls % Health == 0)
        {
            CheckHealth();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        await _broker.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static bool IsExpected(StatusCode status) => status is
        StatusCode.InvalidArgument or StatusCode.NotFound or StatusCode.AlreadyExists or StatusCode.FailedPrecondition or StatusCode.Unimplemented
        or StatusCode.OutOfRange or StatusCode.ResourceExhausted;

    private static string Subscription(string name) => $"projects/fuzz/subscriptions/{name}";

    // gRPC compares a deadline with the system's clock.
    private static DateTime In(TimeSpan time) => DateTime.UtcNow + time;

    private void Call(Method<byte[], byte[]> method, byte[] request)
    {
        var options = new CallOptions(deadline: In(_deadline));
        var invoker = _channel.CreateCallInvoker();
        if (method.Type == MethodType.Unary)
        {
            // A pull from an empty subscription waits for messages.
            options = method.Name == "Pull" ? options.WithDeadline(In(_pullDeadline)) : options;
            invoker.BlockingUnaryCall(method, null, options, request);
            return;
        }

        using var call = invoker.AsyncDuplexStreamingCall(method, null, options);
        call.RequestStream.WriteAsync(request).GetAwaiter().GetResult();
        call.RequestStream.CompleteAsync().GetAwaiter().GetResult();
        while (call.ResponseStream.MoveNext(CancellationToken.None).GetAwaiter().GetResult())
        {
            // What the broker answers is not looked at.
        }
    }

    // A message is published, delivered and acked.
    private void CheckHealth()
    {
        var publisher = new Publisher.PublisherClient(_channel);
        var subscriber = new Subscriber.SubscriberClient(_channel);
        var id = publisher.Publish(new PublishRequest { Topic = PublishRequests.Topic, Messages = { new PubsubMessage { Data = ByteString.CopyFromUtf8("healthy") } } }).MessageIds[0];
        var deadline = In(_deadline);
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < _deadline)
        {
            var pulled = subscriber.Pull(new PullRequest { Subscription = Subscription("healthy"), MaxMessages = 1_000 }, deadline: deadline).ReceivedMessages;
            if (pulled.Count > 0)
            {
                subscriber.Acknowledge(new AcknowledgeRequest { Subscription = Subscription("healthy"), AckIds = { pulled.Select(message => message.AckId) } });
            }

            if (pulled.Any(message => message.Message.MessageId == id))
            {
                return;
            }
        }

        throw new FuzzException($"message {id} is not delivered after these requests");
    }

    // A request that works, where there is one, and one whose texts are filled with names.
    private static List<byte[]> CorpusOf(MethodDescriptor method)
    {
        List<IMessage> requests = method.InputType.Name switch
        {
            "PublishRequest" => [new PublishRequest { Topic = PublishRequests.Topic, Messages = { new PubsubMessage { Data = ByteString.CopyFromUtf8("x") } } }],
            "Topic" => [new Topic { Name = "projects/fuzz/topics/other", Labels = { ["a"] = "b" }, MessageRetentionDuration = new() { Seconds = 600 } }],
            "UpdateTopicRequest" => [new UpdateTopicRequest { Topic = new Topic { Name = PublishRequests.Topic }, UpdateMask = new() { Paths = { "labels" } } }],
            "Subscription" =>
            [
                new Subscription
                {
                    Name = Subscription("other"), Topic = PublishRequests.Topic, AckDeadlineSeconds = 10, Filter = "attributes.a = \"b\" AND NOT hasPrefix(attributes.c, \"d\")",
                    RetryPolicy = new() { MinimumBackoff = new() { Seconds = 1 } }, ExpirationPolicy = new() { Ttl = new() { Seconds = 86_400 } },
                },
            ],
            "UpdateSubscriptionRequest" =>
                [new UpdateSubscriptionRequest { Subscription = new Subscription { Name = Subscription("other"), AckDeadlineSeconds = 20 }, UpdateMask = new() { Paths = { "ack_deadline_seconds" } } }],
            "PullRequest" => [new PullRequest { Subscription = Subscription("other"), MaxMessages = 1 }],
            "AcknowledgeRequest" => [new AcknowledgeRequest { Subscription = Subscription("other"), AckIds = { "1-2-3", "x" } }],
            "ModifyAckDeadlineRequest" => [new ModifyAckDeadlineRequest { Subscription = Subscription("other"), AckDeadlineSeconds = 10, AckIds = { "1-2-3" } }],
            "StreamingPullRequest" =>
                [new StreamingPullRequest { Subscription = Subscription("other"), StreamAckDeadlineSeconds = 10, AckIds = { "1-2-3" }, ModifyDeadlineAckIds = { "x" }, ModifyDeadlineSeconds = { 10 } }],
            "SeekRequest" => [new SeekRequest { Subscription = Subscription("other"), Time = new() { Seconds = 1_700_000_000 } }, new SeekRequest { Subscription = Subscription("other"), Snapshot = "projects/fuzz/snapshots/first" }],
            "CreateSnapshotRequest" => [new CreateSnapshotRequest { Name = "projects/fuzz/snapshots/first", Subscription = Subscription("other") }],
            _ => [],
        };
        var any = (IMessage)Activator.CreateInstance(method.InputType.ClrType)!;
        foreach (var field in method.InputType.Fields.InFieldNumberOrder().Where(field => field is { FieldType: FieldType.String, IsRepeated: false }))
        {
            field.Accessor.SetValue(any, field.Name is "project" ? "projects/fuzz" : field.Name is "topic" ? PublishRequests.Topic : Subscription("other"));
        }

        requests.Add(any);
        return [.. requests.Select(request => request.ToByteArray())];
    }
}
