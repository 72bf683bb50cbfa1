using EcomStream.Core;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Tests.Cli;

public sealed class DurationsTests
{
    private static readonly DateTimeOffset _now = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("500ms", 500)]
    [InlineData("5s", 5_000)]
    [InlineData("1h30m", 5_400_000)]
    [InlineData("1.5s", 1_500)]
    [InlineData("2d", 172_800_000)]
    [InlineData("0s", 0)]
    public void A_duration_has_numbers_with_units(string text, double milliseconds) =>
        Durations.Parse(text, "--x").TotalMilliseconds.ShouldBe(milliseconds);

    [Theory]
    [InlineData("30")]
    [InlineData("")]
    [InlineData("s")]
    [InlineData("5 s")]
    [InlineData("-5s")]
    [InlineData("soon")]
    [InlineData("1h30")]
    [InlineData("99999999999d")]
    public void What_has_no_unit_or_is_out_of_range_is_not_a_duration(string text) =>
        Should.Throw<UsageException>(() => Durations.Parse(text, "--x")).Message.ShouldContain($"--x {text}");

    [Theory]
    [InlineData("1h30m", "2026-11-24T10:30:00.000000Z")]
    [InlineData("2026-11-23", "2026-11-23T00:00:00.000000Z")]
    [InlineData("2026-11-23T08:15", "2026-11-23T08:15:00.000000Z")]
    [InlineData("2026-11-23T08:15:30Z", "2026-11-23T08:15:30.000000Z")]
    [InlineData("2026-11-23T08:15:30+02:00", "2026-11-23T06:15:30.000000Z")]
    public void A_point_in_time_is_a_duration_ago_or_a_time_in_UTC(string text, string point) =>
        Timestamps.Rfc3339(Durations.ParsePoint(text, "--older-than", _now)).ShouldBe(point);

    [Theory]
    [InlineData("30")]
    [InlineData("tomorrow")]
    [InlineData("99999d")]
    public void What_is_neither_is_rejected(string text) =>
        Should.Throw<UsageException>(() => Durations.ParsePoint(text, "--older-than", _now)).Message.ShouldContain(text);
}
