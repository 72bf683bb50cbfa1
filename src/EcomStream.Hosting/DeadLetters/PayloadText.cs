using System.Text;

namespace EcomStream.Hosting;

/// <summary>The data of a message as text.</summary>
internal static class PayloadText
{
    private static readonly UTF8Encoding _strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The data as text, or null where it is not UTF-8.</summary>
    public static string? Of(ReadOnlySpan<byte> data)
    {
        try
        {
            return _strict.GetString(data);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
