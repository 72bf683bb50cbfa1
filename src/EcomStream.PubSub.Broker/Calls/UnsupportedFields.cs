using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace EcomStream.PubSub.Broker.Calls;

/// <summary>
/// Fields of a request that are set and that the broker does not implement: those that the definitions name without an
/// implementation, and those that the definitions lack.
/// </summary>
internal static class UnsupportedFields
{
    /// <summary>The fields that are set in a message, for the rest of a request whose supported fields are cleared.</summary>
    public static IReadOnlyList<string> SetIn(IMessage rest) =>
    [
        .. rest.Descriptor.Fields.InFieldNumberOrder().Where(field => IsSet(rest, field)).Select(field => field.Name),
        .. UnknownIn(rest),
    ];

    /// <summary>
    /// The fields of a request that the definitions lack, at any depth, by number and message. Messages without defined
    /// fields stand for an unsupported feature as a whole and are not looked into.
    /// </summary>
    public static IReadOnlyList<string> UnknownIn(IMessage request)
    {
        var unknown = new List<string>();
        Collect(request.ToByteString(), request.Descriptor, unknown);
        return unknown;
    }

    private static bool IsSet(IMessage message, FieldDescriptor field) => field switch
    {
        { IsMap: true } => ((System.Collections.IDictionary)field.Accessor.GetValue(message)).Count > 0,
        { IsRepeated: true } => ((System.Collections.IList)field.Accessor.GetValue(message)).Count > 0,
        { FieldType: FieldType.Message } => field.Accessor.GetValue(message) is not null,
        _ => field.Accessor.GetValue(message) is { } value && !value.Equals(Default(value)),
    };

    private static object Default(object value) => value switch
    {
        string => "",
        ByteString => ByteString.Empty,
        _ => Activator.CreateInstance(value.GetType())!,
    };

    private static void Collect(ByteString bytes, MessageDescriptor type, List<string> unknown)
    {
        var input = bytes.CreateCodedInput();
        while (input.ReadTag() is > 0 and var tag)
        {
            var number = WireFormat.GetTagFieldNumber(tag);
            var field = type.FindFieldByNumber(number);
            if (field is null)
            {
                unknown.Add($"field {number} of {type.FullName}");
            }

            if (field is { FieldType: FieldType.Message, IsMap: false } && field.MessageType.Fields.InDeclarationOrder().Count > 0
                && WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited)
            {
                Collect(input.ReadBytes(), field.MessageType, unknown);
            }
            else
            {
                input.SkipLastField();
            }
        }
    }
}
