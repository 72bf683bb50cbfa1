using EcomStream.TestSupport;

namespace EcomStream.EndToEnd.Tests;

/// <summary>The pipeline on subscriptions that ask more of both sides than the defaults do.</summary>
public sealed class SubscriptionSettingsTests
{
    [Fact]
    public async Task With_exactly_once_delivery_and_a_dead_letter_policy_everything_is_joined_and_every_ack_is_confirmed()
    {
        using var place = new Workplace();
        string[] settings =
        [
            "--set", "ecomstream.setup.exactly-once=on", "--set", "ecomstream.setup.max-delivery-attempts=5",
            "--set", "ecomstream.setup.message-retention=1d",
        ];
        using var run = EcomStreamProcess.Start(place.Run(settings));
        await run.JoinsAsync();
        using var check = EcomStreamProcess.Start(["topics", "check", "--set", $"ecomstream.pubsub.emulator-host={place.Endpoint}", .. settings]);
        (await check.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, check.Output);
        using var produce = EcomStreamProcess.Start(place.Produce("--orders", "5000", "--payments", "5000", "--sequence", "interleaved"));
        (await produce.ExitCodeAsync(TimeSpan.FromSeconds(120))).ShouldBe(0, produce.Output);
        await Eventually.True(
            () => run.HasExited || place.CompleteRows == 5_000, "every order and payment is joined", TimeSpan.FromSeconds(60));
        await run.TerminateAsync();
        (await run.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, run.Output);

        place.CompleteRows.ShouldBe(5_000, run.Output);
        run.Output.ShouldNotContain(" warn: ");
        (await place.BacklogAsync("orders_data-sub")).ShouldBe(0);
        (await place.BacklogAsync("payments_data-sub")).ShouldBe(0);
    }
}
