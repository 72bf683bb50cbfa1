using EcomStream.TestSupport;
using Microsoft.Data.Sqlite;

namespace EcomStream.EndToEnd.Tests;

public sealed class OutageTests
{
    [Fact]
    public async Task A_store_that_stops_stops_the_sources_and_work_resumes_by_itself_with_nothing_lost()
    {
        using var place = new Workplace();
        using var run = EcomStreamProcess.Start(place.Run("--until-idle", Workplace.Idle));
        await run.JoinsAsync();

        using (var intruder = new SqliteConnection($"Data Source={place.Database};Pooling=False"))
        {
            intruder.Open();
            Execute(intruder, "BEGIN IMMEDIATE");
            using var produce = EcomStreamProcess.Start(place.Produce("--orders", "50000", "--payments", "50000", "--sequence", "interleaved"));
            (await produce.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, produce.Output);
            await Eventually.True(
                () => run.Output.Contains("failed to write", StringComparison.Ordinal), "the process says that the store fails", TimeSpan.FromSeconds(60));
            place.Rows.ShouldBe(0);
            run.HasExited.ShouldBeFalse(run.Output);
            Execute(intruder, "ROLLBACK");
        }

        (await run.ExitCodeAsync(TimeSpan.FromSeconds(120))).ShouldBe(0, run.Output);
        place.CompleteRows.ShouldBe(50_000, run.Output);
        place.Unmatched("dead-lettered").ShouldBe(0);
        (await place.BacklogAsync("orders_data-sub")).ShouldBe(0);
        (await place.BacklogAsync("payments_data-sub")).ShouldBe(0);
    }

    [Fact]
    public async Task On_SIGTERM_while_the_store_is_stopped_the_process_ends_in_time_and_loses_nothing()
    {
        using var place = new Workplace();
        using (var run = EcomStreamProcess.Start(place.Run("--set", "ecomstream.shutdown-timeout=2s")))
        {
            await run.JoinsAsync();
            using var intruder = new SqliteConnection($"Data Source={place.Database};Pooling=False");
            intruder.Open();
            Execute(intruder, "BEGIN IMMEDIATE");
            using var produce = EcomStreamProcess.Start(place.Produce("--orders", "1000", "--payments", "1000"));
            (await produce.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, produce.Output);
            await run.TerminateAsync();
            (await run.ExitCodeAsync(TimeSpan.FromSeconds(30))).ShouldBe(0, run.Output);
            place.Rows.ShouldBe(0);
        }

        using var next = EcomStreamProcess.Start(place.Run("--until-idle", Workplace.Idle));
        (await next.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, next.Output);
        place.CompleteRows.ShouldBe(1_000, next.Output);
    }

    [Fact]
    public async Task A_broker_that_dies_and_comes_back_is_found_again()
    {
        using var place = new Workplace();
        string[] brokerArguments = ["broker", "--data", place.Folder, "--port", $"{place.Port}"];
        var broker = EcomStreamProcess.Start(brokerArguments);
        using var run = EcomStreamProcess.Start(
            new Dictionary<string, string> { ["PUBSUB_EMULATOR_HOST"] = place.Endpoint },
            "run", "--data", place.Folder, "--until-idle", Workplace.Idle);
        await run.JoinsAsync();
        using var produce = EcomStreamProcess.Start(place.Produce("--orders", "20000", "--payments", "20000", "--rate", "20000", "--sequence", "interleaved"));
        await Eventually.True(() => place.Rows > 1_000, "rows are written", TimeSpan.FromSeconds(60));
        await broker.KillAsync();
        broker.Dispose();
        using var reborn = EcomStreamProcess.Start(brokerArguments);

        (await produce.ExitCodeAsync(TimeSpan.FromSeconds(120))).ShouldBe(0, produce.Output);
        (await run.ExitCodeAsync(TimeSpan.FromSeconds(120))).ShouldBe(0, run.Output);
        place.CompleteRows.ShouldBe(20_000, run.Output);
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
