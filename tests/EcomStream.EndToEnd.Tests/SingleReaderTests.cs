namespace EcomStream.EndToEnd.Tests;

/// <summary>Two processes join one subscription without being one cluster.</summary>
public sealed class SingleReaderTests
{
    [Fact]
    public async Task A_second_process_on_one_broker_is_refused_and_the_first_one_goes_on()
    {
        using var place = new Workplace();
        using var other = new Workplace();
        using var first = EcomStreamProcess.Start(place.Run());
        await first.JoinsAsync();
        string[] second = ["run", "--data", other.Folder, "--set", $"ecomstream.pubsub.emulator-host={place.Endpoint}"];
        using (var refused = EcomStreamProcess.Start(second))
        {
            (await refused.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(2, refused.Output);
            refused.Output.ShouldContain("/subscriptions/orders_data-sub is joined by another process");
        }

        using var allowed = EcomStreamProcess.Start([.. second, "--set", "ecomstream.single-reader=off"]);
        await allowed.JoinsAsync();
        first.HasExited.ShouldBeFalse(first.Output);
    }

    [SkippableFact]
    public async Task A_second_process_on_one_Cassandra_is_refused_and_one_that_replaces_a_killed_process_starts_at_once()
    {
        var (_, settings, environment) = RealServers.Require();
        using var first = EcomStreamProcess.Start(environment, ["run", .. settings]);
        await first.JoinsAsync();
        using (var second = EcomStreamProcess.Start(environment, ["run", .. settings]))
        {
            (await second.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(2, second.Output);
            second.Output.ShouldContain("is joined by process ");
        }

        first.HasExited.ShouldBeFalse(first.Output);
        await first.KillAsync();
        using var third = EcomStreamProcess.Start(environment, ["run", .. settings]);
        await third.JoinsAsync();
        third.Output.ShouldNotContain("This process waits until");
    }
}
