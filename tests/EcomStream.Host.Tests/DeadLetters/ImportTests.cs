using System.Text;
using EcomStream.Core;
using EcomStream.Host.Commands.DeadLetters;

namespace EcomStream.Host.Tests.DeadLetters;

public sealed class ImportTests
{
    private static readonly string _line = RowJson.Write(StoreFolder.Dead(17));

    [Theory]
    [InlineData("\"order_id\":17,", "\"order_id\":18,", "order_id contradicts the id")]
    [InlineData("\"order_id\":17,", "", "order_id contradicts the id")]
    [InlineData("\"payment_key\":\"1017\"", "\"payment_key\":\"1018\"", "payment_key contradicts the id")]
    [InlineData("\"id\":\"17-1017\"", "\"id\":\"seventeen\"", "contradict")]
    [InlineData("\"id\":\"17-1017\"", "\"id\":\"5\"", "not the id of a dead letter")]
    [InlineData("\"replays\":0", "\"replays\":-1", "replays must be a whole number of 0 or more")]
    [InlineData("\"replays\":0", "\"replays\":1.5", "replays must be")]
    [InlineData("\"replays\":0", "\"replays\":0,\"stat\":\"healed\"", "unknown key 'stat'")]
    [InlineData("\"replays\":0", "\"replays\":0,\"replays\":1", "replays")]
    [InlineData("\"attributes\":{}", "\"attributes\":{\"a\":\"1\",\"a\":\"2\"}", "a")]
    [InlineData("\"attributes\":{}", "\"attributes\":{\"a\":1}", "attribute 'a'")]
    [InlineData("\"attributes\":{}", "\"attributes\":[]", "Object")]
    [InlineData("\"state\":\"dead-lettered\"", "\"state\":\"dead\"", "unknown state 'dead'")]
    [InlineData("\"reason\":\"no-matching-order\"", "\"reason\":\"late\"", "'late' is not a reason")]
    [InlineData("\"reason\":\"no-matching-order\"", "\"reason\":\"malformed\"", "malformed contradicts")]
    [InlineData("\"data\":", "\"data_base64\":\"e30=\",\"data\":", "contradict each other")]
    [InlineData("\"data\":\"{\\\"order_id\\\":17", "\"data\":\"{\\\"order\\\":17", "the data is not a payment")]
    [InlineData("\"changed\":\"2026", "\"changed\":\"2025", "changed is before since")]
    [InlineData("\"published\":\"2026-01-01T", "\"published\":\"yesterday", "not a time")]
    [InlineData("{\"id\"", "[{\"id\"", "JSON")]
    public void An_edited_line_that_contradicts_itself_is_rejected(string part, string edited, string error)
    {
        _line.ShouldContain(part);
        Should.Throw<FormatException>(() => RowJsonReader.Read(_line.Replace(part, edited))).Message.ShouldContain(error, Case.Insensitive);
    }

    [Fact]
    public void A_row_is_read_as_it_was_written()
    {
        UnmatchedPayment[] rows =
        [
            StoreFolder.Dead(17),
            StoreFolder.Dead(18) with { AttributesJson = MessageAttributes.ToJson(new Dictionary<string, string> { ["a"] = "\"ü" }, "key"), Replays = 3 },
            StoreFolder.Dead(19) with
            {
                OrderId = DeadLetterId.OrderOfMessage("orders_data-sub-5"), PaymentKey = "orders_data-sub-5", Data = new byte[] { 0xff, 0 }, Reason = DeadLetterReason.Malformed,
            },
        ];
        foreach (var row in rows)
        {
            RowJsonReader.Read(RowJson.Write(row)).HasSameContent(row).ShouldBeTrue(RowJson.Write(row));
        }
    }

    [Fact]
    public async Task A_mended_payment_joins_its_new_order_alone()
    {
        await using var folder = await StoreFolder.CreateAsync(StoreFolder.Dead(17));
        var file = folder.File("mend.jsonl");
        (await folder.Dlq("export", "-o", file)).Code.ShouldBe(0);
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace("{\\\"order_id\\\":17", "{\\\"order_id\\\":18"));

        var import = await folder.Dlq("import", file, "--overwrite");

        import.Code.ShouldBe(0, import.Error);
        import.Out.ShouldContain("imported 1 (0 new, 1 replaced)");
        import.Error.ShouldContain("17-1017 names 18-1017 now");
        var row = await folder.Row(17);
        row.State.ShouldBe(UnmatchedState.Discarded);
        row.IsHealable.ShouldBeFalse();
        Encoding.UTF8.GetString(row.Data.Span).ShouldContain("\"order_id\":18");
    }

    [Fact]
    public async Task A_row_that_changed_since_the_export_is_reported_and_kept()
    {
        await using var folder = await StoreFolder.CreateAsync(StoreFolder.Dead(17), StoreFolder.Dead(18));
        var file = folder.File("export.jsonl");
        await folder.Dlq("export", "-o", file);
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace("\"detail\":\"\"", "\"detail\":\"checked\""));
        await folder.Store.WriteUnmatchedAsync([StoreFolder.Dead(17).Become(UnmatchedState.Healed, StoreFolder.Time + 9_000_000, "joined")], default);

        var import = await folder.Dlq("import", file, "--overwrite");

        import.Code.ShouldBe(1);
        import.Out.ShouldContain("imported 1 (0 new, 1 replaced)");
        import.Error.ShouldContain("17-1017 was not imported");
        (await folder.Row(17)).State.ShouldBe(UnmatchedState.Healed);
        (await folder.Row(18)).Detail.ShouldBe("checked");
    }

    [Fact]
    public async Task Without_overwrite_rows_that_differ_are_kept_and_counted_and_a_dry_run_changes_nothing()
    {
        await using var folder = await StoreFolder.CreateAsync(StoreFolder.Dead(17));
        var input = RowJson.Write(StoreFolder.Dead(17) with { Detail = "edited" }) + "\n" + RowJson.Write(StoreFolder.Dead(18)) + "\n";
        var place = new CommandLineRun.Place { Input = input };

        (await folder.Dlq(place, "import", "-", "--dry-run")).Out.ShouldContain("would import 1 (1 new, 0 replaced), 1 are there already, of which 1 differ");
        (await folder.Store.ReadUnmatchedAsync([18], default)).ShouldBeEmpty();
        (await folder.Dlq(place, "import", "-")).Out.ShouldContain("imported 1 (1 new, 0 replaced), 1 are there already, of which 1 differ");
        (await folder.Row(17)).Detail.ShouldBe("");
        (await folder.Dlq(place, "import", "-")).Out.ShouldContain("imported 0 (0 new, 0 replaced), 2 are there already");
    }

    [Fact]
    public async Task A_file_with_one_wrong_line_imports_nothing()
    {
        await using var folder = await StoreFolder.CreateAsync();
        foreach (var second in new[] { "{}", _line })
        {
            var import = await folder.Dlq(new CommandLineRun.Place { Input = $"{_line}\n{second}\n" }, "import", "-");
            import.Code.ShouldBe(2);
            import.Error.ShouldContain("line 2");
            import.Error.ShouldContain("Nothing was imported");
        }

        (await folder.Store.ReadUnmatchedAsync([17], default)).ShouldBeEmpty();
    }
}
