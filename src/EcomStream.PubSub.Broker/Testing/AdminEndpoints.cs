using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Faults;
using EcomStream.PubSub.Broker.Rest;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EcomStream.PubSub.Broker.Testing;

/// <summary>What tests in any language ask of a broker, as JSON over HTTP under /admin/v1: faults, the clock, publish times and a reset (docs/broker.md).</summary>
internal sealed class AdminEndpoints(FaultInjection faults, TestControls controls)
{
    private static readonly JsonSerializerOptions _json = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter<StatusCode>(JsonNamingPolicy.SnakeCaseUpper, allowIntegerValues: false) },
    };

    public void Map(IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGet("/admin/v1/faults", WebPages.Refused(http => http.Response.WriteAsJsonAsync(new { faults = faults.All.Select(FaultJson.Of) }, _json)));
        endpoints.MapPost("/admin/v1/faults", WebPages.Refused(AddAsync));
        endpoints.MapDelete("/admin/v1/faults", WebPages.Refused(http =>
        {
            faults.Clear();
            return RestAnswers.WriteAsync(http, StatusCodes.Status200OK, "{}");
        }));
        endpoints.MapGet("/admin/v1/time", WebPages.Refused(http => http.Response.WriteAsJsonAsync(new { now = controls.Now }, _json)));
        endpoints.MapPost("/admin/v1/time:advance", WebPages.Refused(AdvanceAsync));
        endpoints.MapPost("/admin/v1/publish", WebPages.Refused(PublishAsync));
        endpoints.MapPost("/admin/v1/reset", WebPages.Refused(http =>
        {
            controls.Reset();
            return RestAnswers.WriteAsync(http, StatusCodes.Status200OK, "{}");
        }));
    }

    private async Task AddAsync(HttpContext http)
    {
        try
        {
            var fault = await JsonSerializer.DeserializeAsync<FaultJson>(http.Request.Body, _json, http.RequestAborted)
                ?? throw new JsonException("the body is null");
            faults.Add(fault.ToFault());
            await RestAnswers.WriteAsync(http, StatusCodes.Status200OK, "{}");
        }
        catch (Exception wrong) when (wrong is JsonException or ArgumentException)
        {
            await RestAnswers.WriteAsync(http, new RpcException(new Status(StatusCode.InvalidArgument, $"The body is not a fault: {wrong.Message}")));
        }
    }

    private async Task AdvanceAsync(HttpContext http)
    {
        try
        {
            var advance = await JsonSerializer.DeserializeAsync<AdvanceJson>(http.Request.Body, _json, http.RequestAborted)
                ?? throw new JsonException("the body is null");
            controls.Advance(TimeSpan.FromSeconds(advance.Seconds));
            await http.Response.WriteAsJsonAsync(new { now = controls.Now }, _json, http.RequestAborted);
        }
        catch (Exception wrong) when (wrong is JsonException or ArgumentException or OverflowException or InvalidOperationException)
        {
            await RestAnswers.WriteAsync(http, new RpcException(new Status(StatusCode.InvalidArgument, $"The clock cannot be moved: {wrong.Message}")));
        }
    }

    private async Task PublishAsync(HttpContext http)
    {
        try
        {
            using var body = new StreamReader(http.Request.Body);
            var request = JsonParser.Default.Parse<PublishRequest>(await body.ReadToEndAsync(http.RequestAborted));
            var ids = request.Messages.Select(message => controls.Publish(request.Topic, message).ToString(CultureInfo.InvariantCulture)).ToList();
            await http.Response.WriteAsJsonAsync(new { messageIds = ids }, _json, http.RequestAborted);
        }
        catch (Exception wrong) when (wrong is InvalidProtocolBufferException or InvalidJsonException or ArgumentException or InvalidOperationException or RpcException)
        {
            var reason = wrong is RpcException error ? error.Status.Detail : wrong.Message;
            await RestAnswers.WriteAsync(http, new RpcException(new Status(StatusCode.InvalidArgument, $"The messages cannot be published: {reason}")));
        }
        catch (IOException broken)
        {
            await RestAnswers.WriteAsync(http, ServiceCalls.CannotWrite(broken));
        }
    }

    private sealed record AdvanceJson
    {
        public required double Seconds { get; init; }
    }

    private sealed record FaultJson
    {
        public required string Method { get; init; }

        public StatusCode? Status { get; init; }

        public double? DelayMilliseconds { get; init; }

        public int? Times { get; init; }

        public bool? AfterEffect { get; init; }

        public static FaultJson Of(BrokerFault fault) => new()
        {
            Method = fault.Method,
            Status = fault.Status,
            DelayMilliseconds = fault.Delay > TimeSpan.Zero ? fault.Delay.TotalMilliseconds : null,
            Times = fault.Times,
            AfterEffect = fault.AfterEffect ? true : null,
        };

        public BrokerFault ToFault() => new(Method)
        {
            Status = Status,
            Delay = DelayMilliseconds is null or >= 0 and < int.MaxValue
                ? TimeSpan.FromMilliseconds(DelayMilliseconds ?? 0)
                : throw new JsonException($"delayMilliseconds is {DelayMilliseconds}; it must be 0 to {int.MaxValue}"),
            Times = Times,
            AfterEffect = AfterEffect == true,
        };
    }
}
