using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace EcomStream.PubSub.Broker.Rest;

/// <summary>
/// Refuses requests that a browser sends for a web page. A page of anybody may send a POST to a local port without being
/// asked, even if it cannot read the answer (https://fetch.spec.whatwg.org/#cors-protocol). Clients of Pub/Sub send no Origin.
/// </summary>
internal static class WebPages
{
    public static RequestDelegate Refused(RequestDelegate inner) => http => http.Request.Headers.Origin.Count == 0
        ? inner(http)
        : RestAnswers.WriteAsync(
            http, new RpcException(new Status(StatusCode.PermissionDenied, "Requests of web pages are refused, because the broker authenticates nobody.")));
}
