using System.Text.Json;
using EcomStream.TestSupport;

namespace EcomStream.EndToEnd.Tests.Unmatched;

/// <summary><c>ecomstream dlq</c> as an operator uses it, beside the running process and after it.</summary>
public sealed class DeadLetterCommandTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    [Fact]
    public Task On_the_embedded_store_dead_letters_are_listed_replayed_discarded_and_moved() => Run(StoreUnderTest.Sqlite);

    [SkippableFact]
    public Task On_Cassandra_dead_letters_are_listed_replayed_discarded_and_moved() => Run(StoreUnderTest.Cassandra);

    [Fact]
    public async Task Wrong_ids_filters_and_files_end_with_a_clear_error_and_exit_code_2_or_4()
    {
        using var place = new Workplace();
        using (var run = EcomStreamProcess.Start(place.Run("--until-idle", "500ms")))
        {
            (await run.ExitCodeAsync(Soon)).ShouldBe(0, run.Output);
        }

        var bad = Path.Combine(place.Folder, "bad.jsonl");
        await File.WriteAllTextAsync(bad, "{\"id\": \"5-1005\"}\n");
        await Refused("not the id of a dead letter", "show", "5");
        await RefusedWith(4, "There is no dead letter", "show", "5-1005");
        await Refused("Give ids", "replay");
        await Refused("--reason late", "list", "--reason", "late");
        await Refused("--state gone", "list", "--state", "gone");
        await Refused("--older-than soon", "list", "--older-than", "soon");
        await Refused("--after 5", "list", "--after", "5");
        await Refused("--limit 0", "list", "--limit", "0");
        await Refused("line 1", "import", bad);
        await Refused("--because", "discard", "--reason", "superseded", "--because", " ");

        Task Refused(string text, params string[] arguments) => RefusedWith(2, text, arguments);

        async Task RefusedWith(int code, string text, params string[] arguments)
        {
            using var dlq = EcomStreamProcess.Start(["dlq", .. arguments, "--data", place.Folder]);
            (await dlq.ExitCodeAsync(Soon)).ShouldBe(code, dlq.Output);
            dlq.Output.ShouldContain(text);
            dlq.Output.Trim().Split(Environment.NewLine).Length.ShouldBeLessThan(3);
        }
    }

    [Fact]
    public async Task A_mended_payment_joins_its_new_order_and_never_its_old_one()
    {
        using var place = new Workplace();
        string[] pipeline = [.. place.Run(), "--set", "ecomstream.unmatched.grace=500ms"];
        using var run = EcomStreamProcess.Start(pipeline);
        await run.JoinsAsync();
        using (var payment = EcomStreamProcess.Start(place.Produce("--orders", "0", "--payments", "1")))
        {
            (await payment.ExitCodeAsync(Soon)).ShouldBe(0, payment.Output);
        }

        await Until(() => Task.FromResult(place.CountOrZero("SELECT count(*) FROM unmatched_payments WHERE state = 'dead-lettered'") == 1));
        var file = Path.Combine(place.Folder, "mend.jsonl");
        await Dlq("export", "--order", "1", "-o", file);
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace("\\\"order_id\\\":1,", "\\\"order_id\\\":2,"));
        await Dlq("import", file, "--overwrite");

        // The old order arrives before the replay, and the new one after it.
        using (var old = EcomStreamProcess.Start(place.Produce("--orders", "1", "--payments", "0")))
        {
            (await old.ExitCodeAsync(Soon)).ShouldBe(0, old.Output);
        }

        await Until(() => Task.FromResult(place.Rows == 1));
        await Dlq("replay", "1-1001");
        using (var both = EcomStreamProcess.Start(place.Produce("--orders", "2", "--payments", "0")))
        {
            (await both.ExitCodeAsync(Soon)).ShouldBe(0, both.Output);
        }

        await Until(() => Task.FromResult(place.Count("SELECT count(*) FROM orders_payments_facts WHERE payment_id = 1001") > 0 && place.Rows == 2));
        await run.TerminateAsync();
        (await run.ExitCodeAsync(Soon)).ShouldBe(0, run.Output);
        place.Count("SELECT order_id FROM orders_payments_facts WHERE payment_id = 1001").ShouldBe(2);
        place.Count("SELECT count(*) FROM orders_payments_facts WHERE payment_id = 1001").ShouldBe(1);
        place.Count("SELECT count(*) FROM unmatched_payments WHERE order_id = 1 AND state = 'discarded'").ShouldBe(1);

        async Task Dlq(params string[] command)
        {
            using var dlq = EcomStreamProcess.Start(["dlq", .. command, "--data", place.Folder, "--set", $"ecomstream.broker.port={place.Port}"]);
            (await dlq.ExitCodeAsync(Soon)).ShouldBe(0, dlq.Output);
        }
    }

    [Fact]
    public async Task A_command_that_is_ended_by_SIGTERM_says_how_far_it_came()
    {
        const int Rows = 100_000;
        using var place = new Workplace();
        await using (var store = new EcomStream.Sqlite.SqliteFactStore(new EcomStream.Sqlite.SqliteSettings(place.Database) { FinishedTtl = TimeSpan.Zero }))
        {
            await store.InitializeAsync(default);
            await store.WriteUnmatchedAsync(
                [
                    .. Enumerable.Range(1, Rows).Select(id => new EcomStream.Core.UnmatchedPayment
                    {
                        OrderId = id,
                        PaymentKey = "1",
                        Data = "{}"u8.ToArray(),
                        PublishTimeMicros = id,
                        MessageId = "1",
                        Subscription = "payments_data-sub",
                        Reason = EcomStream.Core.DeadLetterReason.NoMatchingOrder,
                        State = EcomStream.Core.UnmatchedState.DeadLettered,
                        SinceMicros = id,
                        ChangedMicros = id,
                    }),
                ],
                default);
        }

        using var discard = EcomStreamProcess.Start("dlq", "discard", "--state", "dead-lettered", "--because", "test", "--data", place.Folder);
        await Until(() => Task.FromResult(place.Count("SELECT count(*) FROM unmatched_payments WHERE state = 'discarded'") > 0));
        await discard.TerminateAsync();

        (await discard.ExitCodeAsync(Soon)).ShouldBe(143, discard.Output);
        var done = place.Count("SELECT count(*) FROM unmatched_payments WHERE state = 'discarded'");
        done.ShouldBeLessThan(Rows);
        discard.Output.ShouldContain($"interrupted: discarded {done} of {Rows}");
    }

    private static async Task Run(Func<Workplace, StoreUnderTest> kind)
    {
        using var place = new Workplace();
        var store = kind(place);
        string[] arguments = [.. place.Run(), .. store.Arguments, "--set", "ecomstream.unmatched.grace=1s"];
        using (var run = EcomStreamProcess.Start(arguments))
        {
            await run.JoinsAsync();
            using var produce = EcomStreamProcess.Start(place.Produce("--orders", "20", "--payments", "25", "--malformed", "0.2", "--seed", "3"));
            (await produce.ExitCodeAsync(Soon)).ShouldBe(0, produce.Output);
            var malformed = int.Parse(System.Text.RegularExpressions.Regex.Match(produce.Output, @"\((\d+) malformed").Groups[1].Value);
            await Until(async () => (await Lines("list", "--format", "json", "--state", "dead-lettered")).Count == 5 + malformed);

            // Listed: by reason, by order, by age, page by page, and in all formats.
            var unmatched = await Lines("list", "--format", "json", "--reason", "no-matching-order");
            unmatched.Select(row => row.GetProperty("id").GetString()).Order().ShouldBe(["21-1021", "22-1022", "23-1023", "24-1024", "25-1025"]);
            (await Lines("list", "--format", "json", "--order", "23")).Count.ShouldBe(1);
            (await Lines("list", "--format", "json", "--older-than", "1h")).ShouldBeEmpty();
            (await Lines("list", "--format", "json", "--newer-than", "1h", "--reason", "no-matching-order")).Count.ShouldBe(5);
            var first = await Dlq("list", "--reason", "no-matching-order", "--limit", "3", "--format", "csv");
            var cursor = System.Text.RegularExpressions.Regex.Match(first, @"--after (\S+)").Groups[1].Value;
            (await Lines("list", "--format", "json", "--reason", "no-matching-order", "--after", cursor)).Select(row => row.GetProperty("id").GetString())
                .ShouldBe(unmatched.Skip(3).Select(row => row.GetProperty("id").GetString()));

            // Malformed messages have the position of the error.
            var bad = await Lines("list", "--format", "json", "--reason", "malformed");
            bad.Count.ShouldBe(malformed);
            bad.ShouldAllBe(row => row.GetProperty("detail").GetString()!.Contains("at byte"));
            var badId = bad[0].GetProperty("id").GetString()!;
            (await Dlq("show", badId)).ShouldContain("the message was not joined");

            var shown = await Dlq("show", "23-1023");
            shown.ShouldContain("23 does not exist");
            shown.ShouldContain("\"payment_id\": 1023");
            shown.ShouldContain("waiting");

            // Replayed while the process runs: without an order it comes back, counted.
            (await Dlq("replay", "23-1023", "--dry-run")).ShouldContain("would replay 1");
            (await Lines("list", "--format", "json", "--order", "23"))[0].GetProperty("replays").GetInt32().ShouldBe(0);
            (await Dlq("replay", "23-1023")).ShouldContain("replayed 1: 1 no-matching-order to payments_data");
            await Until(async () => (await Lines("list", "--format", "json", "--order", "23"))[0] is var row
                && row.GetProperty("state").GetString() == "dead-lettered" && row.GetProperty("history").GetArrayLength() == 5);

            // Discarded: no order heals it any more, and the record says why.
            (await Dlq("discard", "24-1024", "--because", "refunded by hand")).ShouldContain("discarded 1");
            (await Dlq("discard", "--reason", "malformed", "--because", "a broken client")).ShouldContain($"discarded {malformed}");
            (await Dlq("discard", "24-1024", "--because", "again", expected: 2)).ShouldContain("24-1024 is discarded");
            (await Dlq("stats")).ShouldContain("no-matching-order");
            using var orders = EcomStreamProcess.Start(place.Produce("--orders", "24", "--payments", "0"));
            (await orders.ExitCodeAsync(Soon)).ShouldBe(0, orders.Output);
            await Until(async () => (await Lines("list", "--format", "json", "--state", "healed")).Count == 3);
            (await Dlq("show", "24-1024")).ShouldContain("refunded by hand");
            (await Dlq("show", "24-1024")).ShouldContain("24 exists, without a payment");
            await run.TerminateAsync();
            (await run.ExitCodeAsync(Soon)).ShouldBe(0, run.Output);
        }

        // While no process runs: replayed into the broker's folder, and joined by the next one.
        (await Dlq("replay", "24-1024")).ShouldContain("replayed 1");
        var file = Path.Combine(place.Folder, "export.jsonl");
        (await Dlq("export", "--output", file)).ShouldContain("exported");
        using (var again = EcomStreamProcess.Start([.. arguments, "--until-idle", Workplace.Idle]))
        {
            (await again.ExitCodeAsync(Soon)).ShouldBe(0, again.Output);
        }

        (await Dlq("show", "24-1024")).ShouldContain("24 exists, with the payment 1024");
        (await Lines("list", "--format", "json", "--order", "24"))[0].GetProperty("state").GetString().ShouldBe("healed");

        // Moved: what was exported is what is imported.
        var exported = await File.ReadAllLinesAsync(file);
        exported.Length.ShouldBeGreaterThan(5);
        (await Dlq("import", file)).ShouldContain($"imported 0 (0 new, 0 replaced), {exported.Length} are there already");
        using var other = new Workplace();
        using (var empty = EcomStreamProcess.Start(other.Run("--until-idle", "500ms")))
        {
            (await empty.ExitCodeAsync(Soon)).ShouldBe(0, empty.Output);
        }

        using var import = EcomStreamProcess.Start("dlq", "import", file, "--data", other.Folder);
        (await import.ExitCodeAsync(Soon)).ShouldBe(0, import.Output);
        var copy = Path.Combine(other.Folder, "copy.jsonl");
        using var export = EcomStreamProcess.Start("dlq", "export", "--data", other.Folder, "--output", copy);
        (await export.ExitCodeAsync(Soon)).ShouldBe(0, export.Output);
        (await File.ReadAllLinesAsync(copy)).ShouldBe(exported);

        async Task<string> DlqOf(string[] command, int expected)
        {
            using var dlq = EcomStreamProcess.Start(["dlq", .. command, "--data", place.Folder, .. store.Arguments, "--set", $"ecomstream.broker.port={place.Port}"]);
            (await dlq.ExitCodeAsync(Soon)).ShouldBe(expected, dlq.Output);
            return dlq.Output;
        }

        Task<string> Dlq(string command, string? a = null, string? b = null, string? c = null, string? d = null, string? e = null, string? f = null, int expected = 0) =>
            DlqOf([.. new[] { command, a, b, c, d, e, f }.OfType<string>()], expected);

        async Task<List<JsonElement>> Lines(params string[] command) =>
        [
            .. (await DlqOf(command, 0)).Split(Environment.NewLine).Where(line => line.StartsWith('{'))
                .Select(line => JsonDocument.Parse(line).RootElement),
        ];
    }

    private static async Task Until(Func<Task<bool>> condition)
    {
        for (var tries = 0; tries < 40; tries++)
        {
            if (await condition())
            {
                return;
            }

            await Task.Delay(500);
        }

        Assert.Fail("What was to happen has not happened in 20 s and more.");
    }
}
