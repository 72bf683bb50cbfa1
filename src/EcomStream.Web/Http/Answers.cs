using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using EcomStream.Core;
using Microsoft.AspNetCore.Http;

namespace EcomStream.Web;

/// <summary>How the endpoints answer.</summary>
internal static class Answers
{
    /// <summary>How answers are written.</summary>
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = JsonNumberHandling.AllowReadingFromString,
        Encoder = JavaScriptEncoder.Default,
    };

    /// <summary>An answer with status 200.</summary>
    public static IResult Ok(object body) => Results.Json(body, Json);

    /// <summary>A request that cannot be handled.</summary>
    public static IResult Wrong(string error, int status = StatusCodes.Status400BadRequest) => Results.Json(new { error }, Json, statusCode: status);

    /// <summary>Answers with 503 while the store does not answer.</summary>
    public static async Task<IResult> WithStore(Func<Task<IResult>> work)
    {
        try
        {
            return await work();
        }
        catch (Exception error) when (error is StoreUnavailableException or StoreRejectedException)
        {
            return Wrong(error.Message, StatusCodes.Status503ServiceUnavailable);
        }
    }

    /// <summary>Microseconds since the Unix epoch as RFC 3339.</summary>
    public static string Time(long micros) => Timestamps.Rfc3339(micros);
}
