using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Rpc;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Rest;

/// <summary>Errors over HTTP: the status of gRPC, its HTTP status and its details, in the shape of Google's APIs.</summary>
internal static class RestErrors
{
    private static readonly JsonFormatter _details = new(
        JsonFormatter.Settings.Default.WithTypeRegistry(TypeRegistry.FromMessages(ErrorInfo.Descriptor)));

    /// <summary>The HTTP status of a code: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto.</summary>
    public static int HttpStatus(StatusCode code) => code switch
    {
        StatusCode.OK => 200,
        StatusCode.InvalidArgument or StatusCode.FailedPrecondition or StatusCode.OutOfRange => 400,
        StatusCode.Unauthenticated => 401,
        StatusCode.PermissionDenied => 403,
        StatusCode.NotFound => 404,
        StatusCode.AlreadyExists or StatusCode.Aborted => 409,
        StatusCode.ResourceExhausted => 429,
        StatusCode.Cancelled => 499,
        StatusCode.Unimplemented => 501,
        StatusCode.Unavailable => 503,
        StatusCode.DeadlineExceeded => 504,
        _ => 500,
    };

    public static string Json(RpcException error)
    {
        var body = new JsonObject
        {
            ["code"] = HttpStatus(error.StatusCode),
            ["message"] = error.Status.Detail,
            ["status"] = Name(error.StatusCode),
        };
        if (error.GetRpcStatus() is { Details.Count: > 0 } status)
        {
            body["details"] = new JsonArray([.. status.Details.Select(detail => JsonNode.Parse(_details.Format(detail)))]);
        }

        return new JsonObject { ["error"] = body }.ToJsonString(new JsonSerializerOptions { WriteIndented = true });
    }

    // NotFound is NOT_FOUND.
    private static string Name(StatusCode code) =>
        code == StatusCode.OK ? "OK" : JsonNamingPolicy.SnakeCaseUpper.ConvertName(code.ToString());
}
