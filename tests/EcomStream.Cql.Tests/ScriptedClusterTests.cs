using EcomStream.Cql.TestSupport;
using System.Diagnostics.Metrics;
using EcomStream.Cql.Cluster;
using EcomStream.Cql.Protocol;
using EcomStream.TestSupport;

namespace EcomStream.Cql.Tests;

/// <summary>How a session follows a cluster and keeps its statements known, where a real one cannot be timed.</summary>
public sealed class ScriptedClusterTests
{
    private const string Insert = "INSERT INTO shop.t (k) VALUES (?)";

    [Fact]
    public async Task A_change_whose_reading_fails_is_read_again_although_no_other_event_comes()
    {
        await using var cluster = new ScriptedCluster("dc1/r1");
        using var log = new LogLines();
        await using var session = await cluster.ConnectAsync(log: log);
        session.ReplicasOf(0).Nodes.Count.ShouldBe(1);
        cluster.Replication = [];
        var (uuid, text) = (new CqlType(CqlTypeCode.Uuid, []), new CqlType(CqlTypeCode.Text, []));
        var failing = 2;
        cluster.Script = request =>
        {
            if (!request.Cql.Contains("system.local", StringComparison.Ordinal) || failing == 0)
            {
                return null;
            }

            // The first failure is the server's; the second one is an answer that the client cannot make sense of.
            return failing-- == 2
                ? ScriptedCluster.Error(CqlErrorCode.Overloaded, "later")
                : (Opcode.Result, ScriptedCluster.Rows(
                    [uuid, text, text, new CqlType(CqlTypeCode.Set, [text]), text], [[Guid.NewGuid(), "dc1", "r1", new List<object?> { "0" }, "no version"]]));
        };

        await cluster.KeyspaceChangedAsync();

        await Eventually.True(() => session.ReplicasOf(0).Nodes.Count == 0, "the change is known");
        failing.ShouldBe(0);
        log.Lines.ShouldContain(line => line.Contains("cluster events", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_statement_that_a_node_has_forgotten_is_prepared_once_however_many_requests_hear_of_it()
    {
        await using var cluster = new ScriptedCluster("dc1/r1");
        await using var session = await cluster.ConnectAsync();
        var statement = await session.PrepareAsync(Insert, default);
        cluster.Script = request => request.Opcode == Opcode.Execute && cluster.Prepares < 2 ? ScriptedCluster.Unprepared(statement) : null;

        await Task.WhenAll(Enumerable.Range(0, 500).Select(_ => session.ReadAsync(statement, "insert", session.ReplicasOf(0), values => values.Value(1), default)));

        cluster.Prepares.ShouldBe(2);
    }

    [Fact]
    public async Task A_statement_that_a_node_knows_by_another_id_than_before_is_used_by_it_from_then_on()
    {
        await using var cluster = new ScriptedCluster("dc1/r1");
        await using var session = await cluster.ConnectAsync();
        var statement = await session.PrepareAsync(Insert, default);
        byte[] id = [1, 2, 3];
        cluster.Script = request => request.Opcode switch
        {
            Opcode.Prepare => ScriptedCluster.Prepared(id, 1),
            Opcode.Execute when !new ByteReader(request.Body).ShortBytes().SequenceEqual(id) => ScriptedCluster.Unprepared(statement),
            _ => null,
        };

        (await Should.ThrowAsync<CqlNoNodeException>(() => Send())).Message.ShouldContain("by another id");
        await Send();

        Task Send() => session.ReadAsync(statement, "insert", session.ReplicasOf(0), values => values.Value(1), default);
    }

    [Fact]
    public async Task A_request_goes_to_the_node_that_holds_its_partition()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1", "dc1/r1");
        await using var session = await cluster.ConnectAsync();
        var statement = await session.PrepareAsync(Insert, default);
        for (var node = 0; node < 3; node++)
        {
            var before = cluster.Requests.Count;
            for (var times = 0; times < 5; times++)
            {
                await session.ReadAsync(statement, "insert", session.ReplicasOf(cluster.TokenOf(node)), values => values.Value(1), default);
            }

            cluster.Requests.Skip(before).Where(request => request.Opcode == Opcode.Execute).Select(request => request.Node).ShouldBe(Enumerable.Repeat(node, 5));
        }
    }

    [Fact]
    public async Task Only_nodes_of_the_local_datacenter_coordinate()
    {
        await using var cluster = new ScriptedCluster("here/r1", "there/r1", "there/r2", "here/r2");
        cluster.Replication = new() { ["class"] = "NetworkTopologyStrategy", ["here"] = "1", ["there"] = "2" };
        foreach (var (local, nodes) in new[] { ("here", new[] { 0, 3 }), ("there", [1, 2]) })
        {
            await using var session = await cluster.ConnectAsync(cluster.Settings with { LocalDatacenter = local });
            session.LocalDatacenter.ShouldBe(local);
            var statement = await session.PrepareAsync(Insert, default);
            var before = cluster.Requests.Count;
            foreach (var token in Enumerable.Range(0, 4).Select(cluster.TokenOf))
            {
                session.ReplicasOf(token).Nodes.Count.ShouldBe(3);
                await session.ReadAsync(statement, "insert", session.ReplicasOf(token), values => values.Value(1), default);
            }

            cluster.Requests.Skip(before).Where(request => request.Opcode == Opcode.Execute).Select(request => request.Node).ShouldBeSubsetOf(nodes);
        }
    }

    [Fact]
    public async Task A_read_that_is_slow_is_sent_to_a_second_node()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1");
        await using var session = await cluster.ConnectAsync(cluster.Settings with { SpeculativeReadDelay = TimeSpan.FromMilliseconds(50) });
        var statement = await session.PrepareAsync(Insert, default);
        cluster.Script = request => request.Opcode == Opcode.Execute && Executes(cluster).Count == 1 ? ScriptedCluster.NoAnswer : null;

        await session.ReadAsync(statement, "read", session.ReplicasOf(0), values => values.Value(1), default);

        Executes(cluster).Order().ShouldBe([0, 1]);
    }

    [Fact]
    public async Task A_read_that_is_slow_is_sent_once_where_there_is_no_second_node()
    {
        await using var cluster = new ScriptedCluster("dc1/r1");
        await using var session = await cluster.ConnectAsync(cluster.Settings with { SpeculativeReadDelay = TimeSpan.FromTicks(1) });
        var statement = await session.PrepareAsync(Insert, default);
        for (var times = 0; times < 200; times++)
        {
            await session.ReadAsync(statement, "read", session.ReplicasOf(0), values => values.Value(1), default);
        }

        Executes(cluster).Count.ShouldBe(200);
    }

    [Fact]
    public async Task A_read_that_was_answered_leaves_no_timer_behind()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1");
        var time = new CountingTime();
        await using var session = await cluster.ConnectAsync(cluster.Settings with { SpeculativeReadDelay = TimeSpan.FromHours(1) }, time: time);
        var statement = await session.PrepareAsync(Insert, default);
        var before = time.Timers;
        for (var times = 0; times < 20; times++)
        {
            await session.ReadAsync(statement, "read", session.ReplicasOf(0), values => values.Value(1), default);
        }

        time.Timers.ShouldBe(before);
        time.Made.ShouldBeGreaterThanOrEqualTo(20);
    }

    [Fact]
    public async Task The_duration_of_each_request_is_measured_with_its_operation_and_error()
    {
        var measured = new List<(double Seconds, string Tags)>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, on) =>
        {
            if (instrument.Meter.Name == "EcomStream.Cql")
            {
                on.EnableMeasurementEvents(instrument);
            }
        };

        // Other tests' requests are measured as well: those of this one are answered with an error of their own.
        listener.SetMeasurementEventCallback<double>((_, seconds, tags, _) =>
        {
            lock (measured)
            {
                measured.Add((seconds, string.Join(' ', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}"))));
            }
        });
        listener.Start();
        await using var cluster = new ScriptedCluster("dc1/r1");
        await using var session = await cluster.ConnectAsync();
        var statement = await session.PrepareAsync(Insert, default);
        cluster.Script = request => request.Opcode == Opcode.Execute ? ScriptedCluster.Error(CqlErrorCode.TruncateError, "no") : null;

        await session.QueryAsync("SELECT something", default);
        await Should.ThrowAsync<CqlNoNodeException>(() => session.ReadAsync(statement, "read", session.ReplicasOf(0), values => values.Value(1), default));

        lock (measured)
        {
            measured.ShouldAllBe(measure => measure.Seconds >= 0 && measure.Seconds < 60);
            measured.Select(measure => measure.Tags).ShouldContain("db.system.name=cassandra db.operation.name=QUERY");
            measured.Select(measure => measure.Tags).ShouldContain("db.system.name=cassandra db.operation.name=EXECUTE error.type=TruncateError");
        }
    }

    // The nodes that were sent an EXECUTE.
    private static List<int> Executes(ScriptedCluster cluster) =>
        [.. cluster.Requests.Where(request => request.Opcode == Opcode.Execute).Select(request => request.Node)];

    private sealed class CountingTime : TimeProvider
    {
        private int _timers;
        private int _made;

        public int Timers => Volatile.Read(ref _timers);

        public int Made => Volatile.Read(ref _made);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Interlocked.Increment(ref _timers);
            Interlocked.Increment(ref _made);
            return new Counted(this, base.CreateTimer(callback, state, dueTime, period));
        }

        private sealed class Counted(CountingTime time, ITimer timer) : ITimer
        {
            private int _isDisposed;

            public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(dueTime, period);

            public void Dispose()
            {
                if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
                {
                    Interlocked.Decrement(ref time._timers);
                }

                timer.Dispose();
            }

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
