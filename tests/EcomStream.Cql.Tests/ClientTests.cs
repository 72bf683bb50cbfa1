using System.Net;
using System.Numerics;
using EcomStream.Cql.Cluster;
using EcomStream.Cql.TestSupport;
using EcomStream.Cql.Protocol;

namespace EcomStream.Cql.Tests;

/// <summary>The client on a real server: what it negotiates, decodes and refuses.</summary>
public sealed class ClientTests(TestKeyspace keyspace) : IClassFixture<TestKeyspace>
{
    private string Name => keyspace.Settings.Keyspace;

    [SkippableFact]
    public async Task The_newest_version_is_agreed_on_and_the_cluster_is_learned()
    {
        await using var session = await CassandraServer.ConnectAsync();
        session.Version.ShouldBe((byte)5);
        session.Nodes.ShouldAllBe(node => node.Tokens.Count > 0 && node.Datacenter == session.LocalDatacenter);
    }

    [SkippableFact]
    public async Task The_servers_token_of_a_key_is_ours()
    {
        await using var session = await keyspace.SessionWithTableAsync("tokens", "k bigint PRIMARY KEY, t text");
        foreach (var key in new[] { 0L, 1L, -1L, 42L, 0x80C0E0F0L, long.MaxValue, long.MinValue })
        {
            await session.QueryAsync($"INSERT INTO {Name}.tokens (k) VALUES ({key})", default);
            var row = await session.QueryAsync($"SELECT token(k) FROM {Name}.tokens WHERE k = {key}", default);
            row.Next().ShouldBeTrue();
            row.Int64(0).ShouldBe(Murmur3.Token(key));
        }
    }

    [SkippableFact]
    public async Task Values_of_every_type_come_back_as_written()
    {
        await using var session = await keyspace.SessionWithTableAsync(
            "everything",
            "k int PRIMARY KEY, a ascii, b blob, c boolean, d decimal, e double, f float, g timestamp, h uuid, i varint, j inet, l date, m time, n smallint, o tinyint, p duration, q list<int>, r map<text, bigint>, s set<text>, t tuple<int, text>");
        object?[] values =
        [
            1, "ascii", new byte[] { 0, 255 }, true, new CqlDecimal(new BigInteger(-12345), 3), -1.5, 2.25f,
            new DateTimeOffset(2024, 1, 21, 12, 0, 0, 123, TimeSpan.Zero), Guid.NewGuid(), BigInteger.Pow(-7, 40), IPAddress.Parse("::1"),
            new DateOnly(1969, 12, 31), new TimeOnly(23, 59, 59, 999), (short)-5, (sbyte)-128, new CqlDuration(-1, -2, -300_000_000_000),
            new List<object?> { 3, 1, 2 }, new Dictionary<object, object?> { ["x"] = 1L }, new List<object?> { "a", "b" }, new object?[] { 7, null },
        ];
        await foreach (var _ in session.ExecuteAllAsync(
            $"INSERT INTO {Name}.everything (k, a, b, c, d, e, f, g, h, i, j, l, m, n, o, p, q, r, s, t) VALUES ({string.Join(", ", values.Select(_ => "?"))})",
            values, 0, default))
        {
        }

        await foreach (var row in session.ExecuteAllAsync(
            $"SELECT k, a, b, c, d, e, f, g, h, i, j, l, m, n, o, p, q, r, s, t FROM {Name}.everything WHERE k = ?", [1], 0, default))
        {
            row.Next().ShouldBeTrue();
            for (var column = 0; column < values.Length; column++)
            {
                if (values[column] is IPAddress address)
                {
                    row.Value(column).ShouldBe(address);
                }
                else
                {
                    row.Value(column).ShouldBeEquivalentTo(values[column], row.Columns[column].Name);
                }
            }
        }
    }

    [SkippableFact]
    public async Task Pages_follow_one_another_until_the_last()
    {
        await using var session = await keyspace.SessionWithTableAsync("pages", "p int, k int, PRIMARY KEY (p, k)");
        await foreach (var _ in session.ExecuteAllAsync($"BEGIN UNLOGGED BATCH {string.Join(' ', Enumerable.Range(0, 95).Select(k => $"INSERT INTO {Name}.pages (p, k) VALUES (1, {k});"))} APPLY BATCH", [], 0, default))
        {
        }

        var sizes = new List<int>();
        await foreach (var page in session.ExecuteAllAsync($"SELECT k FROM {Name}.pages WHERE p = ?", [1], 30, default))
        {
            sizes.Add(page.Count);
        }

        sizes.Sum().ShouldBe(95);
        sizes.Count.ShouldBeGreaterThanOrEqualTo(4);
    }

    [SkippableTheory]
    [InlineData("SELEC nothing", CqlErrorCode.SyntaxError)]
    [InlineData("SELECT * FROM system.no_such_table", CqlErrorCode.Invalid)]
    [InlineData("CREATE KEYSPACE system_auth WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}", CqlErrorCode.AlreadyExists)]
    [InlineData("ALTER TABLE system.local ADD more int", CqlErrorCode.Unauthorized)]
    public async Task An_error_of_the_server_says_which_node_and_why(string cql, CqlErrorCode code)
    {
        await using var session = await CassandraServer.ConnectAsync();
        var error = await Should.ThrowAsync<CqlServerException>(() => session.QueryAsync(cql, default));
        error.Code.ShouldBe(code);
        error.Message.ShouldContain(error.Node);
    }
}
