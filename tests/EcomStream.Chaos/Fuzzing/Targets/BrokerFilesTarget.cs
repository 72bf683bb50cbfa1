using EcomStream.PubSub.Broker;
using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Services;
using EcomStream.PubSub.Broker.State;
using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.Chaos.Fuzzing.Targets;

/// <summary>
/// The broker's folder with damaged files, from a broker that was closed and from one that was killed. It opens, or says
/// what is damaged; what it delivers was published like that; an intact folder delivers everything that was not acked.
/// </summary>
internal sealed class BrokerFilesTarget : IFuzzTarget
{
    private const string MemoryFolder = "/dev/shm";
    private const int Messages = 60;
    private const int Acked = 20;
    private const string SubscriptionName = "projects/fuzz/subscriptions/orders";

    private static readonly IReadOnlyList<byte[]> _tokens =
    [
        .. Corpus.Of("{", "}", "\"", ":", "null", "\"id\":", "[", "]", "\n", ",", "-1", "9223372036854775808", "\u0000"),
        [0xFF, 0xFF, 0xFF, 0xFF], [0x00, 0x00, 0x00, 0x00], [0x80],
    ];

    // In memory where there is such a folder: syncs to a disk would take most of the time.
    private readonly string _folder = Path.Combine(Directory.Exists(MemoryFolder) ? MemoryFolder : Path.GetTempPath(), $"ecomstream-fuzz-{Guid.NewGuid():n}");
    private readonly Dictionary<string, string> _published = [];
    private readonly List<IReadOnlyDictionary<string, byte[]>> _folders = [];

    public BrokerFilesTarget() => MakeFoldersAsync().GetAwaiter().GetResult();

    public string Name => "broker-files";

    public int Weight => 5;

    public void Run(FuzzInput input)
    {
        var files = new Dictionary<string, byte[]>(_folders[input.Random.Next(_folders.Count)]);
        var isDamaged = input.Random.Next(20) > 0;
        for (var left = isDamaged ? input.Random.Next(1, 4) : 0; left > 0; left--)
        {
            var name = files.Keys.Order(StringComparer.Ordinal).ElementAt(input.Random.Next(files.Count));
            if (input.Random.Next(15) == 0)
            {
                files.Remove(name);
            }
            else
            {
                files[name] = input.Next([files[name], files[files.Keys.Order(StringComparer.Ordinal).ElementAt(input.Random.Next(files.Count))]], _tokens);
            }
        }

        Write(files);
        try
        {
            using var state = BrokerState.Open(Options(), NullLogger.Instance);
            Read(state, isDamaged);
            Write(state);
            state.Close();
        }
        catch (Exception damaged) when (isDamaged && damaged is BrokerStartException or InvalidDataException or RpcException { StatusCode: StatusCode.DataLoss or StatusCode.NotFound or StatusCode.ResourceExhausted })
        {
            // As documented.
        }
    }

    public ValueTask DisposeAsync()
    {
        Delete();
        return ValueTask.CompletedTask;
    }

    private EmbeddedBrokerOptions Options() => new() { DataDirectory = _folder, SegmentBytes = 2_048, Fsync = FsyncPolicy.Never };

    private void Read(BrokerState state, bool isDamaged)
    {
        if (state.FindSubscription(SubscriptionName) is not { } subscription)
        {
            return;
        }

        var consumer = new PullConsumer(long.MaxValue, long.MaxValue);
        subscription.Attach(consumer);
        var response = new RawPullResponse();
        Pulling.Take(subscription, consumer, 10, 1_000, response);
        subscription.Detach(consumer);
        var received = StreamingPullResponse.Parser.ParseFrom(response.Bytes).ReceivedMessages;
        foreach (var message in received)
        {
            if (_published.GetValueOrDefault(message.Message.MessageId) is { } text && text != message.Message.Data.ToStringUtf8())
            {
                throw new FuzzException($"message {message.Message.MessageId} was published with {text} and is delivered with {message.Message.Data.ToStringUtf8()}");
            }
        }

        if (!isDamaged && received.Count != Messages - Acked)
        {
            throw new FuzzException($"an intact folder delivers {received.Count} messages, and {Messages - Acked} were not acked");
        }
    }

    // What is opened can be used.
    private static void Write(BrokerState state)
    {
        foreach (var topic in state.Topics)
        {
            using var messages = PubSub.Broker.Storage.RawMessages.Of([new PubsubMessage { Data = ByteString.CopyFromUtf8("after") }]);
            topic.Publish(messages);
        }
    }

    private void Write(Dictionary<string, byte[]> files)
    {
        Delete();
        foreach (var (name, bytes) in files)
        {
            var path = Path.Combine(_folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, bytes);
        }
    }

    private void Delete()
    {
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    // The files of a broker that runs are those of one that was killed then.
    private async Task MakeFoldersAsync()
    {
        await using (var broker = await EmbeddedBroker.StartAsync(Options()))
        {
            using var channel = GrpcChannel.ForAddress($"http://{broker.Endpoint}");
            var publisher = new Publisher.PublisherClient(channel);
            var subscriber = new Subscriber.SubscriberClient(channel);
            await publisher.CreateTopicAsync(new Topic { Name = PublishRequests.Topic });
            await subscriber.CreateSubscriptionAsync(new Subscription { Name = SubscriptionName, Topic = PublishRequests.Topic, RetainAckedMessages = true });
            await subscriber.CreateSubscriptionAsync(new Subscription { Name = SubscriptionName + "-filtered", Topic = PublishRequests.Topic, Filter = "attributes:a" });
            for (var i = 0; i < Messages; i++)
            {
                var text = $"message {i} {new string('x', i * 3)}";
                var published = await publisher.PublishAsync(new PublishRequest { Topic = PublishRequests.Topic, Messages = { new PubsubMessage { Data = ByteString.CopyFromUtf8(text) } } });
                _published[published.MessageIds[0]] = text;
            }

            var pulled = await subscriber.PullAsync(new PullRequest { Subscription = SubscriptionName, MaxMessages = Messages });
            await subscriber.AcknowledgeAsync(new AcknowledgeRequest
            {
                Subscription = SubscriptionName,
                AckIds = { pulled.ReceivedMessages.Where((_, i) => i % (Messages / Acked) == 0).Select(message => message.AckId) },
            });
            await subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = "projects/fuzz/snapshots/first", Subscription = SubscriptionName });
            _folders.Add(Capture());
        }

        _folders.Add(Capture());
    }

    private Dictionary<string, byte[]> Capture() => Directory.GetFiles(_folder, "*", SearchOption.AllDirectories)
        .Where(file => !file.EndsWith("broker.lock", StringComparison.Ordinal))
        .ToDictionary(file => Path.GetRelativePath(_folder, file), ReadShared);

    private static byte[] ReadShared(string file)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
