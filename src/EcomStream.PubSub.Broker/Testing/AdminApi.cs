using System.Text.Json;
using System.Text.Json.Serialization;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EcomStream.PubSub.Broker.Testing;

/// <summary>What tests in any language ask of a broker, as JSON over HTTP under /admin/v1: faults and a reset (docs/broker.md).</summary>
internal sealed class AdminApi(FaultInjection faults, Action reset)
{
    private static readonly JsonSerializerOptions _json = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter<StatusCode>(JsonNamingPolicy.SnakeCaseUpper, allowIntegerValues: false) },
    };

    public void Map(IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGet("/admin/v1/faults", http => http.Response.WriteAsJsonAsync(new { faults = faults.All.Select(FaultJson.Of) }, _json));
        endpoints.MapPost("/admin/v1/faults", AddAsync);
        endpoints.MapDelete("/admin/v1/faults", http =>
        {
            faults.Clear();
            return http.Response.WriteAsync("{}");
        });
        endpoints.MapPost("/admin/v1/reset", http =>
        {
            reset();
            return http.Response.WriteAsync("{}");
        });
    }

    private async Task AddAsync(HttpContext http)
    {
        try
        {
            var fault = await JsonSerializer.DeserializeAsync<FaultJson>(http.Request.Body, _json, http.RequestAborted)
                ?? throw new JsonException("the body is null");
            faults.Add(fault.ToFault());
            await http.Response.WriteAsync("{}");
        }
        catch (Exception wrong) when (wrong is JsonException or ArgumentException)
        {
            http.Response.StatusCode = StatusCodes.Status400BadRequest;
            await http.Response.WriteAsJsonAsync(new { error = new { code = 400, message = $"The body is not a fault: {wrong.Message}", status = "INVALID_ARGUMENT" } });
        }
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
