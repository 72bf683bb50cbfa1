using System.Text;
using System.Text.Json.Nodes;
using EcomStream.PubSub.Broker.Calls;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.Http;

namespace EcomStream.PubSub.Broker.Rest;

/// <summary>The request of a method from an HTTP request: the body as JSON, or the query, and the variable of the path.</summary>
internal static class RestRequests
{
    private const string WholeRequest = "*";

    // 10 MiB of messages, which base64 makes a third larger, with room for their names.
    private const int MaxBodyBytes = 32 << 20;

    // https://cloud.google.com/apis/docs/system-parameters
    private static readonly HashSet<string> _systemParameters = new(StringComparer.Ordinal)
    {
        "alt", "$alt", "access_token", "callback", "fields", "$fields", "key", "oauth_token", "prettyPrint", "$prettyPrint", "quotaUser",
        "uploadType", "upload_protocol", "$.xgafv", "$httpHeaders", "$ct",
    };

    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: the request is not what the method takes.</exception>
    public static async Task<IMessage> ReadAsync(HttpRequest http, RestRoute route, RestMethod method, string pathValue)
    {
        var query = Fields(http.Query, method.Request);
        if (route.Body == WholeRequest && query.Count > 0)
        {
            throw ServiceCalls.Invalid($"The query parameter {query.First().Key} is unknown: {method.FullName.TrimStart('/')} takes its fields from the body.");
        }

        var request = Parse(route.Body == WholeRequest ? await BodyAsync(http) : query.ToJsonString(), method.Request);
        if (route.Body.Length > 0 && route.Body != WholeRequest)
        {
            var field = method.Request.FindFieldByName(route.Body);
            field.Accessor.SetValue(request, Parse(await BodyAsync(http), field.MessageType));
        }

        Set(request, route.Field, pathValue);
        return request;
    }

    private static async Task<string> BodyAsync(HttpRequest http)
    {
        if (http.ContentLength > MaxBodyBytes)
        {
            throw TooLarge();
        }

        using var body = new MemoryStream();
        var buffer = new byte[64 << 10];
        while (await http.Body.ReadAsync(buffer, http.HttpContext.RequestAborted) is > 0 and var read)
        {
            body.Write(buffer, 0, read);
            if (body.Length > MaxBodyBytes)
            {
                throw TooLarge();
            }
        }

        return Encoding.UTF8.GetString(body.GetBuffer(), 0, (int)body.Length);
    }

    // A parameter names a field, as options.requestedPolicyVersion does one of a field's.
    private static JsonObject Fields(IQueryCollection query, MessageDescriptor type)
    {
        var fields = new JsonObject();
        foreach (var (name, values) in query.Where(parameter => !_systemParameters.Contains(parameter.Key)))
        {
            var (target, at) = (fields, type);
            var path = name.Split('.');
            foreach (var outer in path[..^1])
            {
                target[outer] ??= new JsonObject();
                at = at?.FindFieldByName(outer) is { FieldType: FieldType.Message } field ? field.MessageType : null;
                target = target[outer] as JsonObject ?? throw ServiceCalls.Invalid($"The query parameter {name} contradicts another one.");
            }

            var value = values.LastOrDefault() ?? "";
            target[path[^1]] = at?.FindFieldByName(path[^1]) is { FieldType: FieldType.Bool } && bool.TryParse(value, out var flag) ? flag : value;
        }

        return fields;
    }

    private static IMessage Parse(string json, MessageDescriptor type)
    {
        try
        {
            return json.AsSpan().IsWhiteSpace() ? type.Parser.ParseFrom(ByteString.Empty) : JsonParser.Default.Parse(json, type);
        }
        catch (Exception wrong) when (wrong is InvalidProtocolBufferException or InvalidJsonException or FormatException or InvalidOperationException)
        {
            return Base64Fields.Standardized(json, type) is { } standard
                ? Parse(standard, type)
                : throw ServiceCalls.Invalid($"The request is not a {type.Name} in JSON: {wrong.Message.TrimEnd('.')}.");
        }
    }

    private static void Set(IMessage message, string path, string value)
    {
        var names = path.Split('.');
        foreach (var name in names[..^1])
        {
            var accessor = message.Descriptor.FindFieldByName(name);
            if (accessor.Accessor.GetValue(message) is not IMessage inner)
            {
                inner = accessor.MessageType.Parser.ParseFrom(ByteString.Empty);
                accessor.Accessor.SetValue(message, inner);
            }

            message = inner;
        }

        message.Descriptor.FindFieldByName(names[^1]).Accessor.SetValue(message, value);
    }

    private static Grpc.Core.RpcException TooLarge() => ServiceCalls.Invalid($"A request has at most {MaxBodyBytes} bytes.");
}
