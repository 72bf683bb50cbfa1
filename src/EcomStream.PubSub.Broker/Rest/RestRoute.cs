using Google.Api;

namespace EcomStream.PubSub.Broker.Rest;

/// <summary>
/// One way to call a method over HTTP: a google.api.HttpRule whose template has one variable, such as
/// <c>/v1/{topic=projects/*/topics/*}:publish</c>
/// (https://github.com/googleapis/googleapis/blob/master/google/api/http.proto).
/// </summary>
internal sealed class RestRoute
{
    private const string AnySegment = "*";

    private readonly string[] _segments;
    private readonly Range _variable;
    private readonly string _verb;

    private RestRoute(string httpMethod, string template, string body)
    {
        HttpMethod = httpMethod;
        Body = body;
        var (open, equals, close) = (template.IndexOf('{'), template.IndexOf('='), template.IndexOf('}'));
        if (open < 1 || equals < open || close < equals)
        {
            throw new NotSupportedException($"The template {template} has not one variable with a pattern.");
        }

        Field = template[(open + 1)..equals];
        (var path, _verb) = SplitVerb(template[..open] + template[(equals + 1)..close] + template[(close + 1)..]);
        _segments = path.Split('/');
        var first = template[..open].Count(c => c == '/');
        _variable = first..(first + template[(equals + 1)..close].Split('/').Length);
    }

    public string HttpMethod { get; }

    /// <summary>The request's field that the variable of the path sets, such as topic.name.</summary>
    public string Field { get; }

    /// <summary>The field of the request that the body is, * when it is the whole request; empty when the request is in the query alone.</summary>
    public string Body { get; }

    /// <summary>The routes of a rule and of its additional bindings.</summary>
    public static IEnumerable<RestRoute> Of(HttpRule rule)
    {
        var (method, template) = rule.PatternCase switch
        {
            HttpRule.PatternOneofCase.Get => ("GET", rule.Get),
            HttpRule.PatternOneofCase.Put => ("PUT", rule.Put),
            HttpRule.PatternOneofCase.Post => ("POST", rule.Post),
            HttpRule.PatternOneofCase.Delete => ("DELETE", rule.Delete),
            HttpRule.PatternOneofCase.Patch => ("PATCH", rule.Patch),
            _ => throw new NotSupportedException($"The rule {rule} names no HTTP method."),
        };
        return [new RestRoute(method, template, rule.Body), .. rule.AdditionalBindings.SelectMany(Of)];
    }

    /// <summary>The variable's value in a path of this route; null for any other path.</summary>
    public string? Match(string path)
    {
        var (rest, verb) = SplitVerb(path);
        var segments = rest.Split('/');
        if (verb != _verb || segments.Length != _segments.Length)
        {
            return null;
        }

        for (var i = 0; i < segments.Length; i++)
        {
            if (_segments[i] == AnySegment ? segments[i].Length == 0 : segments[i] != _segments[i])
            {
                return null;
            }
        }

        return string.Join('/', segments[_variable]);
    }

    private static (string Path, string Verb) SplitVerb(string path)
    {
        var colon = path.LastIndexOf(':');
        return colon > path.LastIndexOf('/') ? (path[..colon], path[(colon + 1)..]) : (path, "");
    }
}
