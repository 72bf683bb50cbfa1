using System.Text.Json;
using EcomStream.TestSupport;

namespace EcomStream.EndToEnd.Tests;

/// <summary>The official Node client of Cloud Pub/Sub, which knows nothing of EcomStream, at both ends.</summary>
public sealed class OutsideClientTests
{
    [SkippableFact]
    public async Task The_official_client_publishes_orders_and_payments_they_are_joined_and_it_reads_the_dead_letters()
    {
        OfficialNodeClient.SkipWhereItIsNot();
        using var place = new Workplace();
        using var broker = EcomStreamProcess.Start("broker", "--data", place.Folder, "--port", $"{place.Port}");
        await Eventually.True(() => broker.Output.Contains("PUBSUB_EMULATOR_HOST", StringComparison.Ordinal), "the broker listens", TimeSpan.FromSeconds(60));
        using var run = EcomStreamProcess.Start(
            new Dictionary<string, string> { ["PUBSUB_EMULATOR_HOST"] = place.Endpoint },
            "run", "--data", place.Folder, "--until-idle", Workplace.Idle, "--set", "ecomstream.unmatched.grace=1s");
        await run.JoinsAsync();

        var published = await OfficialNodeClient.RunAsync("shop.cjs", place.Endpoint, "publish", "300", "350");
        published.ShouldContain("""{"published":650}""");
        (await run.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, run.Output);
        place.CompleteRows.ShouldBe(300, run.Output);
        place.Count("SELECT count(*) FROM orders_payments_facts WHERE shipping_address LIKE '%Köln' AND payment_datetime = '2024-01-21T45:01:30Z'")
            .ShouldBe(300);

        var letters = (await OfficialNodeClient.RunAsync("shop.cjs", place.Endpoint, "read", "dlq_payments_data-sub", "50"))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement)
            .ToList();
        letters.Select(letter => long.Parse(letter.GetProperty("data").GetProperty("order_id").GetString()!))
            .Order().ShouldBe(Enumerable.Range(301, 50).Select(id => (long)id));
        letters.ShouldAllBe(letter => letter.GetProperty("attributes").GetProperty("reason").GetString() == "no-matching-order");

        // As received: what EcomStream does not know is still there.
        letters.ShouldAllBe(letter => letter.GetProperty("data").GetProperty("unknown_field").GetProperty("nested").GetArrayLength() == 2);
    }
}
