using System.Text;

namespace EcomStream.Chaos.Fuzzing;

/// <summary>Corpora that are written as texts.</summary>
internal static class Corpus
{
    public static IReadOnlyList<byte[]> Of(params string[] texts) => [.. texts.Select(Encoding.UTF8.GetBytes)];

    /// <summary>What JSON readers find special.</summary>
    public static IReadOnlyList<byte[]> JsonTokens { get; } =
    [
        .. Of(
            "{", "}", "[", "]", ":", ",", "\"", "\\", "null", "true", "false", "NaN", "1e999", "-0", "1e-400", "9223372036854775807", "9223372036854775808",
            "-9223372036854775808", "0.1", "1.2e1", "1200e-2", "\"\\ud800\"", "\"\\u0031\"", "\\ud83d\\ude00", "\"order_id\":", "\"payment_id\":", "\"price\":",
            "\"item\":", "\uFEFF", "{\"a\":", "[[", " ", "\t", "\n", "\u0000", "é", "\"12\"", "\"\"", "//", "/*"),
        [0xFF], [0xC3, 0x28], [0xED, 0xA0, 0x80],
    ];
}
