using System.Text;
using System.Text.RegularExpressions;
using EcomStream.PubSub.Broker.Calls;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using MapLabels = Google.Protobuf.Collections.MapField<string, string>;

namespace EcomStream.PubSub.Broker.Fields;

/// <summary>What may stand in a field of a request; what may not is INVALID_ARGUMENT, with the field's name.</summary>
internal static partial class FieldRules
{
    // https://cloud.google.com/pubsub/docs/create-topic-labels
    private const int MaxLabels = 64;

    // https://cloud.google.com/pubsub/docs/lease-management
    public const int MinAckDeadlineSeconds = 10;
    public const int MaxAckDeadlineSeconds = 600;

    private static readonly FieldMask.MergeOptions Replace = new()
    {
        ReplaceMessageFields = true,
        ReplacePrimitiveFields = true,
        ReplaceRepeatedFields = true,
    };

    /// <param name="text">A string of the request.</param>
    /// <param name="limit">The bytes of UTF-8 that it may have.</param>
    public static bool IsLonger(string text, int limit) =>
        text.Length > limit || (text.Length * 3 > limit && Encoding.UTF8.GetByteCount(text) > limit);

    public static void CheckAckDeadline(string field, int seconds, int least = MinAckDeadlineSeconds)
    {
        if (seconds < least || seconds > MaxAckDeadlineSeconds)
        {
            throw ServiceCalls.Invalid($"{field} is {seconds}; it must be {least} to {MaxAckDeadlineSeconds}.");
        }
    }

    /// <summary>A duration within its bounds; null when it is not set.</summary>
    public static TimeSpan? Within(string field, Duration? duration, TimeSpan least, TimeSpan most)
    {
        if (duration is null)
        {
            return null;
        }

        // The bounds are far below what a TimeSpan holds.
        var isNormal = duration.Nanos is > -1_000_000_000 and < 1_000_000_000 && Math.Abs((double)duration.Seconds) <= most.TotalSeconds;
        var span = isNormal ? TimeSpan.FromSeconds(duration.Seconds) + TimeSpan.FromTicks(duration.Nanos / 100) : TimeSpan.MinValue;
        return span >= least && span <= most
            ? span
            : throw ServiceCalls.Invalid($"{field} is {duration.Seconds} s; it must be {least.TotalSeconds:0} to {most.TotalSeconds:0} s.");
    }

    /// <summary>A time that a <see cref="DateTimeOffset"/> can hold.</summary>
    public static DateTimeOffset Time(string field, Timestamp time)
    {
        try
        {
            return time.ToDateTimeOffset();
        }
        catch (Exception outOfRange) when (outOfRange is InvalidOperationException or ArgumentOutOfRangeException)
        {
            throw ServiceCalls.Invalid($"{field} must be a time between the years 1 and 9999.");
        }
    }

    public static IReadOnlyDictionary<string, string> Labels(IDictionary<string, string> labels)
    {
        if (labels.Count > MaxLabels)
        {
            throw ServiceCalls.Invalid($"labels has {labels.Count} entries; it must have at most {MaxLabels}.");
        }

        foreach (var (key, value) in labels)
        {
            if (!LabelKey().IsMatch(key) || !LabelValue().IsMatch(value))
            {
                throw ServiceCalls.Invalid(
                    $"The label '{key}' = '{value}' is not allowed: both have at most 63 lowercase letters, digits, _ and -, and a key begins with a letter.");
            }
        }

        return new Dictionary<string, string>(labels);
    }

    /// <summary>What a resource becomes by an update.</summary>
    /// <param name="current">The resource as it is; it is changed.</param>
    /// <param name="wanted">What the request carries.</param>
    /// <param name="mask">Which of its fields count.</param>
    /// <param name="fixedFields">Fields that stay as they were created.</param>
    public static T Updated<T>(T current, T? wanted, FieldMask? mask, params ReadOnlySpan<string> fixedFields)
        where T : class, IMessage<T>
    {
        if (wanted is null || mask is not { Paths.Count: > 0 })
        {
            throw ServiceCalls.Invalid($"An update names a {typeof(T).Name.ToLowerInvariant()}, and the fields to update in update_mask.");
        }

        foreach (var path in mask.Paths)
        {
            if (!FieldMask.IsValid<T>(path))
            {
                throw ServiceCalls.Invalid($"update_mask names {path}, which is not a field of {typeof(T).Name}.");
            }

            var first = path.Split('.')[0];
            if (fixedFields.Contains(first))
            {
                throw ServiceCalls.Invalid($"update_mask names {path}, which cannot be updated.");
            }
        }

        // FieldMask.Merge takes maps for lists.
        var rest = new FieldMask { Paths = { mask.Paths.Where(path => path != "labels") } };
        rest.Merge(wanted, current, Replace);
        if (rest.Paths.Count < mask.Paths.Count)
        {
            var labels = current.Descriptor.FindFieldByName("labels").Accessor;
            labels.Clear(current);
            ((MapLabels)labels.GetValue(current)).Add((MapLabels)labels.GetValue(wanted));
        }

        return current;
    }

    [GeneratedRegex(@"^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}\z")]
    private static partial Regex LabelKey();

    [GeneratedRegex(@"^[\p{Ll}\p{Lo}\p{N}_-]{0,63}\z")]
    private static partial Regex LabelValue();
}
