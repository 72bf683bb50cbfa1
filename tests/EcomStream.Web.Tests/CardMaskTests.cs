namespace EcomStream.Web.Tests;

public sealed class CardMaskTests
{
    [Theory]
    [InlineData("4111111111111111", "************1111")]
    [InlineData("card 5555-5555-5555-4444.", "card ************4444.")]
    [InlineData("3782 822463 10005", "************0005")]
    [InlineData("4111111111111111 123", "************1111 123")]
    [InlineData("4111 1111 1111 1111 12/27", "************1111 12/27")]
    [InlineData("2026-01-02 4111111111111111", "2026-01-02 ************1111")]
    [InlineData("4111111111111111 5555555555554444", "************1111 ************4444")]
    [InlineData("\"cvc\": 123", "\"cvc\": \"***\"")]
    public void Card_data_is_masked(string text, string shown) => CardMask.Apply(text).ShouldBe(shown);

    [Theory]
    [InlineData("4111111111111112")]
    [InlineData("message 1795703774953000123")]
    [InlineData("17-1017")]
    [InlineData("12.4111111111111111")]
    public void Other_numbers_stay(string text) => CardMask.Apply(text).ShouldBe(text);

    [Fact]
    public void Bytes_that_are_no_text_lose_their_digits() =>
        CardMask.Apply([0xFF, .. "4111-1a"u8]).ShouldBe([0xFF, .. "****-*a"u8]);
}
