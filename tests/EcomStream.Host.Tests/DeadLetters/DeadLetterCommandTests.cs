using System.Text;
using System.Text.Json;
using EcomStream.Core;
using EcomStream.PubSub.Broker;

namespace EcomStream.Host.Tests.DeadLetters;

/// <summary><c>ecomstream dlq</c> in this process, on an embedded store.</summary>
public sealed class DeadLetterCommandTests
{
    [Fact]
    public async Task Rows_are_filtered_by_several_reasons_and_states_and_listed_newest_first()
    {
        await using var folder = await StoreFolder.CreateAsync(
            StoreFolder.Dead(1),
            StoreFolder.Dead(2, DeadLetterReason.Superseded),
            StoreFolder.Dead(3, DeadLetterReason.StoreRejected),
            StoreFolder.Dead(4).Become(UnmatchedState.Healed, StoreFolder.Time + 5_000_000));

        (await Ids("--reason", "superseded", "--reason", "store-rejected")).ShouldBe(["2-1002", "3-1003"]);
        (await Ids("--state", "healed,dead-lettered", "--newest-first")).ShouldBe(["4-1004", "3-1003", "2-1002", "1-1001"]);
        (await Ids("--newest-first", "--limit", "2")).ShouldBe(["4-1004", "3-1003"]);
        (await Ids("--newer-than", "2025-12-31")).Length.ShouldBe(4);
        (await Ids("--older-than", "2025-12-31")).ShouldBeEmpty();
        var refused = await folder.Dlq("list", "--older-than", "30");
        refused.Code.ShouldBe(2);
        refused.Error.ShouldContain("--older-than 30");

        async Task<string[]> Ids(params string[] options) =>
        [
            .. (await folder.Dlq(["list", "--format", "json", .. options])).Lines.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("id").GetString()!),
        ];
    }

    [Fact]
    public async Task Pages_follow_each_other_in_both_directions()
    {
        await using var folder = await StoreFolder.CreateAsync([.. Enumerable.Range(1, 7).Select(id => StoreFolder.Dead(id))]);
        foreach (var order in new[] { Array.Empty<string>(), ["--newest-first"] })
        {
            var ids = new List<string>();
            string[] after = [];
            for (var page = 0; page < 4; page++)
            {
                var list = await folder.Dlq(["list", "--limit", "3", "--format", "csv", .. order, .. after]);
                ids.AddRange(list.Lines.Skip(1).Select(line => line.Split(',')[0]));
                var cursor = System.Text.RegularExpressions.Regex.Match(list.Error, @"--after (\S+)");
                if (!cursor.Success)
                {
                    break;
                }

                after = ["--after", cursor.Groups[1].Value];
            }

            ids.ShouldBe(Enumerable.Range(1, 7).Select(id => $"{(order.Length == 0 ? id : 8 - id)}-{(order.Length == 0 ? id : 8 - id) + 1000}"));
        }
    }

    [Fact]
    public async Task Ids_and_filters_select_together_and_a_wrong_id_changes_nothing()
    {
        await using var folder = await StoreFolder.CreateAsync(StoreFolder.Dead(1), StoreFolder.Dead(2, DeadLetterReason.Superseded), StoreFolder.Dead(3));

        (await folder.Dlq("discard", "1-1001", "9-1009", "--because", "x")).Code.ShouldBe(4);
        (await folder.Row(1)).State.ShouldBe(UnmatchedState.DeadLettered);
        (await folder.Dlq("discard", "1-1001", "2-1002", "--reason", "superseded", "--because", "refunded")).Out.ShouldBe("discarded 1\n");
        (await folder.Row(2)).State.ShouldBe(UnmatchedState.Discarded);
        (await folder.Row(1)).State.ShouldBe(UnmatchedState.DeadLettered);
        var again = await folder.Dlq("discard", "2-1002", "--because", "again");
        again.Code.ShouldBe(2);
        again.Error.ShouldContain("2-1002 is discarded");
        (await folder.Dlq("discard", "--state", "healed", "--because", "x")).Code.ShouldBe(2);
        (await folder.Dlq("replay", "--state", "discarded", "--dry-run")).Out.ShouldContain("would replay 1: 1 superseded to payments_data");
        (await folder.Dlq("replay")).Code.ShouldBe(2);
    }

    [Fact]
    public async Task Stats_and_list_use_the_same_time_and_states_can_be_chosen()
    {
        await using var folder = await StoreFolder.CreateAsync(
            StoreFolder.Dead(1) with { SinceMicros = StoreFolder.Time + (10 * UnmatchedCount.MicrosPerHour), ChangedMicros = StoreFolder.Time + (11 * UnmatchedCount.MicrosPerHour) },
            StoreFolder.Dead(2).Become(UnmatchedState.Healed, StoreFolder.Time + 5_000_000));

        (await folder.Dlq("stats", "--format", "csv")).Lines.ShouldBe(
            ["hour,reason,waiting,dead-lettered,healed,discarded,all", "2026-01-01T00:00:00.000000Z,no-matching-order,0,1,1,0,2"]);
        (await folder.Dlq("stats", "--format", "csv", "--state", "healed")).Lines[1].ShouldEndWith(",0,0,1,0,1");
        (await folder.Dlq("stats")).Lines[0].ShouldContain("UTC");
        JsonDocument.Parse((await folder.Dlq("stats", "--format", "json")).Lines[0]).RootElement.GetProperty("healed").GetInt32().ShouldBe(1);
    }

    [Fact]
    public async Task A_payload_cannot_reach_the_terminal_and_binary_data_is_marked()
    {
        var evil = Encoding.UTF8.GetBytes("\u001b]0;owned\u0007\u202e =cmd()");
        await using var folder = await StoreFolder.CreateAsync(
            StoreFolder.Dead(1) with { Data = evil, Detail = "\u001b[31mred" },
            StoreFolder.Dead(2) with { Data = new byte[] { 0xff, 0xfe }, Detail = "=1+1" });

        foreach (var command in new string[][] { ["show", "1-1001"], ["list"] })
        {
            var shown = await folder.Dlq(new CommandLineRun.Place { Width = 80 }, command);
            shown.Out.Where(c => char.IsControl(c) && c != '\n').ShouldBeEmpty();
            shown.Out.ShouldNotContain('\u202e');
            shown.Lines.ShouldAllBe(line => line.Length <= 80);
        }

        var csv = (await folder.Dlq("list", "--format", "csv")).Lines;
        csv[0].ShouldEndWith("data_encoding,data");
        csv[2].ShouldEndWith(",'=1+1,base64,//4=");
    }

    [Fact]
    public async Task Orders_get_says_how_to_find_the_unmatched_payments_of_an_order_without_a_row()
    {
        await using var folder = await StoreFolder.CreateAsync(StoreFolder.Dead(1));
        var waiting = (await CommandLineRun.Of("orders", "get", "1", "--data", folder.Path)).Error;
        waiting.ShouldContain("There is no row for order 1 in");
        waiting.ShouldContain("1 unmatched payment of it: ecomstream dlq list --order 1");
        (await CommandLineRun.Of("orders", "get", "2", "--data", folder.Path)).Error.ShouldNotContain("dlq list");
    }

    [Fact]
    public async Task Show_and_orders_get_print_json_and_csv()
    {
        await using var folder = await StoreFolder.CreateAsync(StoreFolder.Dead(1));
        await folder.Store.WriteAsync([new FactWrite { OrderId = 1, Order = new Order { OrderId = 1, Item = "=Book", Price = 9.5 }, OrderStamp = new Stamp(5) }], default);

        var show = JsonDocument.Parse((await folder.Dlq("show", "1-1001", "--format", "json")).Lines.ShouldHaveSingleItem()).RootElement;
        show.GetProperty("id").GetString().ShouldBe("1-1001");
        show.GetProperty("order_exists").GetBoolean().ShouldBeTrue();
        show.GetProperty("order_payment").ValueKind.ShouldBe(JsonValueKind.Null);
        var order = await CommandLineRun.Of("orders", "get", "1", "--format", "json", "--data", folder.Path);
        var row = JsonDocument.Parse(order.Lines.ShouldHaveSingleItem()).RootElement;
        row.GetProperty("price").GetDouble().ShouldBe(9.5);
        row.GetProperty("payment_id").ValueKind.ShouldBe(JsonValueKind.Null);
        (await CommandLineRun.Of("orders", "get", "1", "--format", "csv", "--data", folder.Path)).Lines[1].ShouldStartWith("1,,'=Book,");
        (await CommandLineRun.Of("orders", "get", "1", "--data", folder.Path)).Out.ShouldContain("payment_id        null");
    }

    [Fact]
    public async Task An_export_to_standard_output_is_what_import_reads_from_standard_input()
    {
        await using var from = await StoreFolder.CreateAsync(StoreFolder.Dead(1), StoreFolder.Dead(2, DeadLetterReason.Superseded));
        await using var to = await StoreFolder.CreateAsync();
        var export = await from.Dlq("export", "-o", "-");
        export.Error.ShouldContain("exported 2");

        (await to.Dlq(new CommandLineRun.Place { Input = export.Out }, "import", "-")).Out.ShouldContain("imported 2 (2 new, 0 replaced)");
        (await to.Row(2)).HasSameContent(await from.Row(2)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_replay_to_a_broker_that_is_down_ends_in_time_with_an_error_and_records_nothing()
    {
        await using var folder = await StoreFolder.CreateAsync(StoreFolder.Dead(1));
        var before = await folder.Row(1);

        // Nothing listens on the discard port of loopback.
        var place = new CommandLineRun.Place { Environment = new() { ["PUBSUB_EMULATOR_HOST"] = "127.0.0.1:9" } };
        var replay = await folder.Dlq(place, "replay", "1-1001", "--timeout", "300ms").WaitAsync(TimeSpan.FromSeconds(60));

        replay.Code.ShouldBe(1, replay.Error);
        replay.Error.ShouldContain("Of 1 rows, 0 were replayed");
        (await folder.Row(1)).HasSameContent(before).ShouldBeTrue();
    }

    [Fact]
    public async Task A_replay_records_what_it_published_and_names_the_row_that_the_service_rejects()
    {
        await using var folder = await StoreFolder.CreateAsync(StoreFolder.Dead(1), WithTooManyAttributes(2), StoreFolder.Dead(3));
        await using var broker = await BrokerWithPaymentsTopicAsync(folder);

        var replay = await folder.Dlq(On(broker), "replay", "--state", "dead-lettered");

        replay.Code.ShouldBe(1, replay.Error);
        replay.Out.ShouldStartWith("replayed 2: ");
        replay.Error.ShouldContain("2-1002");
        replay.Error.ShouldContain("100 attributes");
        (await Task.WhenAll(folder.Row(1), folder.Row(2), folder.Row(3))).Select(row => row.Replays).ShouldBe([1, 0, 1]);
    }

    [Fact]
    public async Task A_replay_that_fails_later_names_the_rows_that_the_service_rejected_before()
    {
        var message = DeadLetterId.OfMessage("orders_data-sub", "7");
        await using var folder = await StoreFolder.CreateAsync(
            WithTooManyAttributes(1),
            StoreFolder.Dead(2),
            StoreFolder.Dead(3, DeadLetterReason.Malformed) with
            {
                OrderId = DeadLetterId.OrderOfMessage(message), PaymentKey = message, Subscription = "orders_data-sub", PublishTimeMicros = StoreFolder.Time + 9,
            });
        await using var broker = await BrokerWithPaymentsTopicAsync(folder);

        // The topic of the orders does not exist.
        var replay = await folder.Dlq(On(broker), "replay", "--state", "dead-lettered");

        replay.Code.ShouldBe(1, replay.Error);
        replay.Error.ShouldContain("topics/orders_data");
        replay.Error.ShouldContain("Of 3 rows, 1 were replayed.");
        replay.Error.ShouldContain("Not replayed: 1-1001 (");
        (await folder.Row(2)).Replays.ShouldBe(1);
    }

    private static UnmatchedPayment WithTooManyAttributes(long orderId) => StoreFolder.Dead(orderId) with
    {
        AttributesJson = MessageAttributes.ToJson(Enumerable.Range(0, 101).ToDictionary(n => $"a{n}", n => $"{n}")),
    };

    private static async Task<EmbeddedBroker> BrokerWithPaymentsTopicAsync(StoreFolder folder)
    {
        var seed = folder.File("seed.json");
        await File.WriteAllTextAsync(seed, """{ "topics": [{ "name": "projects/ecomstream/topics/payments_data" }] }""");
        return await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { InMemory = true, SeedFile = seed });
    }

    private static CommandLineRun.Place On(EmbeddedBroker broker) => new() { Environment = new() { ["PUBSUB_EMULATOR_HOST"] = broker.Endpoint } };
}
