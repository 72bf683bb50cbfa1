using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace EcomStream.PubSub.Broker.Rest;

/// <summary>Answers in JSON.</summary>
internal static class RestAnswers
{
    private const string JsonType = "application/json; charset=UTF-8";

    public static Task WriteAsync(HttpContext http, RpcException error) =>
        WriteAsync(http, RestErrors.HttpStatus(error.StatusCode), RestErrors.Json(error));

    public static Task WriteAsync(HttpContext http, int status, string json)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = JsonType;
        return http.Response.WriteAsync(json + "\n", http.RequestAborted);
    }
}
