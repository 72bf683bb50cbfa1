using System.Collections.Concurrent;
using System.Diagnostics;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>
/// What a power cut takes, with each policy: of every file, any part of what was not synced. The kill of a process is in
/// the end-to-end tests.
/// </summary>
[Trait("Speed", "Slow")]
public sealed class PowerCutTests : IDisposable
{
    private static readonly int Cuts = TestSize.Of(full: 20, part: 8);

    private readonly TemporaryFolder _folder = new();
    private readonly ConcurrentDictionary<string, long> _synced = new();
    private readonly Random _random = new(20261124);
    private readonly ConcurrentQueue<TimeSpan> _rounds = new();
    private long _safe;
    private long _roundEnded;

    [ThreadStatic]
    private static bool _replacing;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task With_always_nothing_that_was_answered_is_lost()
    {
        await using var client = await StartAsync(o => o with { Fsync = FsyncPolicy.Always });
        await CutUnderLoadAsync(client, (lost, forgotten, _) =>
        {
            lost.ShouldBeEmpty();
            forgotten.ShouldBeEmpty();
        });
    }

    [Fact]
    public async Task With_interval_only_what_was_answered_within_it_is_lost()
    {
        var interval = TimeSpan.FromMilliseconds(300);
        await using var client = await StartAsync(o => o with { Fsync = FsyncPolicy.Interval, FsyncInterval = interval });

        // What was answered before the wait for the last round of syncs began is safe. How long a busy machine takes for a
        // round is not the broker's to promise; that one follows the other after the interval is.
        var any = 0;
        await CutUnderLoadAsync(client, (lost, forgotten, mayBeGone) =>
        {
            any += lost.Count + forgotten.Count;
            lost.Concat(forgotten).ShouldAllBe(id => mayBeGone(id));
        });
        any.ShouldBeGreaterThan(0, "a test in which nothing is lost proves nothing of the window");
        var rounds = _rounds.Order().ToList();
        rounds.Count.ShouldBeGreaterThan(2);
        rounds[0].ShouldBeGreaterThan(interval * 0.9);
        rounds[rounds.Count / 2].ShouldBeLessThan(interval * 4);
    }

    private async Task<BrokerClient> StartAsync(Func<EmbeddedBrokerOptions, EmbeddedBrokerOptions> change)
    {
        var client = await BrokerClient.StartReadyAsync(
            _folder.Path,
            o => change(o) with { SegmentBytes = 64 << 10, Files = new BrokerFiles(afterSync: Synced) });

        // A power cut may take the subscription, too, until it is synced.
        await Eventually.True(() => _synced.Any(file => file.Key.EndsWith("changes.broker.json", StringComparison.Ordinal) && file.Value == new FileInfo(file.Key).Length), "the journal is synced");
        return client;
    }

    // Of two syncs of one log at a time the one that began first may end last; only acks are ever replaced by less.
    private void Synced(string path, long length)
    {
        var isLog = path.EndsWith(".log", StringComparison.Ordinal);
        _synced.AddOrUpdate(path, length, (_, before) => isLog ? Math.Max(before, length) : length);
        if (path.EndsWith(".acks.new", StringComparison.Ordinal))
        {
            _replacing = true;
        }
        else if (path.EndsWith(".acks", StringComparison.Ordinal) && !_replacing)
        {
            RoundEnded();
        }
        else if (!isLog)
        {
            _replacing = false;
        }
    }

    // A round syncs the logs, and then the acks; nothing else syncs acks without replacing them.
    private void RoundEnded()
    {
        var now = Stopwatch.GetTimestamp();
        if (_roundEnded > 0)
        {
            _rounds.Enqueue(Stopwatch.GetElapsedTime(_roundEnded, now));
            Volatile.Write(ref _safe, _roundEnded);
        }

        _roundEnded = now;
    }

    // Publishes and acks go on while the power is cut, again and again; what is left is opened by another broker each time.
    private async Task CutUnderLoadAsync(BrokerClient client, Action<IReadOnlyList<string>, IReadOnlyList<string>, Func<string, bool>> check)
    {
        var published = new ConcurrentDictionary<string, long>();
        var ackSent = new ConcurrentDictionary<string, bool>();
        var acked = new ConcurrentDictionary<string, long>();
        using var stop = new CancellationTokenSource();
        var load = Task.WhenAll(PublishAsync(), ConsumeAsync());
        for (var cut = 0; cut < Cuts; cut++)
        {
            await Task.Delay(_random.Next(20, 200));
            var (answered, confirmed) = (published.Keys.ToList(), acked.Keys.ToList());
            var safe = Volatile.Read(ref _safe);

            // The files first: when one is begun, the one before it is synced.
            var files = _folder.Files();
            var markers = files.Where(IsMarker).ToDictionary(file => file, File.ReadAllBytes);
            var synced = _synced.ToDictionary();
            using var left = _folder.Snapshot();
            var sent = ackSent.Keys.ToHashSet();
            CutTails(left.Path, files, markers, synced);
            await using var after = await BrokerClient.StartAsync(left.Path);
            var found = new HashSet<string>();
            while (await after.PullAsync() is { Count: > 0 } messages)
            {
                found.UnionWith(messages.Select(m => m.Message.MessageId));

                // There is a bound on what one who acks nothing is given, and a deadline.
                await after.AckAsync(messages);
            }

            check(
                [.. answered.Where(id => !found.Contains(id) && !sent.Contains(id))],
                [.. confirmed.Where(found.Contains)],
                id => (acked.TryGetValue(id, out var at) ? at : published[id]) >= safe);
        }

        await stop.CancelAsync();
        await load;
        acked.Count.ShouldBeGreaterThan(0);

        async Task PublishAsync()
        {
            while (!stop.IsCancellationRequested)
            {
                var request = new PublishRequest { Topic = BrokerClient.Topic };
                request.Messages.AddRange(Enumerable.Range(0, 20).Select(_ => new PubsubMessage { Data = ByteString.CopyFrom(new byte[100]) }));
                var ids = (await client.Publisher.PublishAsync(request)).MessageIds;
                var now = Stopwatch.GetTimestamp();
                foreach (var id in ids)
                {
                    published[id] = now;
                }
            }
        }

        async Task ConsumeAsync()
        {
            while (!stop.IsCancellationRequested)
            {
                // Every other message stays unacked.
                var messages = (await client.PullAsync(40)).Where((_, i) => i % 2 == 0).ToList();
                if (messages.Count == 0)
                {
                    await Task.Yield();
                    continue;
                }

                foreach (var message in messages)
                {
                    ackSent[message.Message.MessageId] = true;
                }

                await client.AckAsync(messages);
                foreach (var message in messages)
                {
                    acked[message.Message.MessageId] = Stopwatch.GetTimestamp();
                }
            }
        }
    }

    private void CutTails(string copy, HashSet<string> files, Dictionary<string, byte[]> markers, Dictionary<string, long> synced)
    {
        foreach (var file in Directory.EnumerateFiles(copy, "*", SearchOption.AllDirectories).OrderByDescending(IsMarker))
        {
            var original = Path.Combine(_folder.Path, Path.GetRelativePath(copy, file));
            if (!files.Contains(original))
            {
                File.Delete(file);
                continue;
            }

            if (markers.TryGetValue(original, out var marker))
            {
                // What it says was true when the power was cut.
                File.WriteAllBytes(file, _random.Next(4) == 0 ? [] : marker);
                continue;
            }

            var length = new FileInfo(file).Length;
            var safe = Math.Min(length, synced.GetValueOrDefault(original));
            using var stream = new FileStream(file, FileMode.Open);
            switch (_random.Next(3))
            {
                case 0:
                    // The end is not there.
                    stream.SetLength(safe + _random.NextInt64(length - safe + 1));
                    break;
                case 1:
                    // The file system had noted the length, and not yet written the last pages.
                    stream.SetLength(safe + _random.NextInt64(length - safe + 1));
                    stream.SetLength(length);
                    break;
                default:
                    // It wrote the last pages, and not those before them. Without a marker nothing says that this is no damage.
                    if (SyncMarker.Read(DiskFileStore.Instance, MarkerIn(copy, original), Which(stream, original)) <= safe)
                    {
                        stream.Position = safe + _random.NextInt64(length - safe + 1);
                        stream.Write(new byte[Math.Min(1_000, length - stream.Position)]);
                    }

                    break;
            }
        }
    }

    private static bool IsMarker(string path) => path.EndsWith("synced", StringComparison.Ordinal);

    // A log is known by its name, acks by their first frame.
    private static long Which(FileStream stream, string original)
    {
        if (original.EndsWith(".log", StringComparison.Ordinal))
        {
            return long.Parse(Path.GetFileNameWithoutExtension(original));
        }

        var first = new byte[8];
        stream.Position = 0;
        return stream.Read(first) == first.Length ? BitConverter.ToInt64(first) : -1;
    }

    private string MarkerIn(string copy, string file) => Path.Combine(copy, Path.GetRelativePath(_folder.Path, MarkerOf(file)));

    private static string MarkerOf(string file) => file.EndsWith(".acks", StringComparison.Ordinal) ? file + ".synced" : Path.Combine(Path.GetDirectoryName(file)!, "synced");
}
