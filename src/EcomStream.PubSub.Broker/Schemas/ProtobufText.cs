extern alias protobufnet;

using Google.Protobuf;
using Google.Protobuf.Reflection;
using Parsed = protobufnet::Google.Protobuf.Reflection;

namespace EcomStream.PubSub.Broker.Schemas;

/// <summary>Parses the text of a .proto file.</summary>
internal static class ProtobufText
{
    private const string FileName = "schema.proto";
    private const int DeepestNesting = 50;

    /// <exception cref="FormatException">The text is not a .proto file, or imports another one.</exception>
    public static FileDescriptor Parse(string text)
    {
        RefuseDeepNesting(text);
        var set = new Parsed.FileDescriptorSet();
        try
        {
            set.Add(FileName, true, new StringReader(text));
            set.Process();
        }
        catch (Exception invalid) when (invalid is not OutOfMemoryException)
        {
            throw new FormatException($"it is not a .proto file ({invalid.Message.TrimEnd('.')})", invalid);
        }

        if (set.GetErrors().FirstOrDefault(error => error.IsError) is { } found)
        {
            throw new FormatException($"it is not a .proto file without imports (line {found.LineNumber}: {found.Message.TrimEnd('.')})");
        }

        var parsed = set.Files.Single(file => file.Name == FileName);
        if (parsed.Dependencies.Count > 0)
        {
            throw new FormatException("it imports other files, which is not supported");
        }

        var file = new FileDescriptorProto { Name = FileName, Package = parsed.Package ?? "", Syntax = parsed.Syntax == "proto3" ? "proto3" : "proto2" };
        file.MessageType.AddRange(parsed.MessageTypes.Select(Message));
        file.EnumType.AddRange(parsed.EnumTypes.Select(Enumeration));
        file.Service.AddRange(parsed.Services.Select(service => new ServiceDescriptorProto { Name = service.Name }));
        try
        {
            return FileDescriptor.BuildFromByteStrings([file.ToByteString()]).Single();
        }
        catch (Exception invalid) when (invalid is ArgumentException or DescriptorValidationException or InvalidOperationException or InvalidProtocolBufferException)
        {
            throw new FormatException($"it is not a valid .proto file ({invalid.Message.TrimEnd('.')})", invalid);
        }
    }

    // The parser calls itself for what is nested, and an overflow of the stack ends the process.
    private static void RefuseDeepNesting(string text)
    {
        var (depth, quote) = (0, '\0');
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (quote != '\0')
            {
                i += c == '\\' ? 1 : 0;
                quote = c == quote || c == '\n' ? '\0' : quote;
            }
            else if (c is '"' or '\'')
            {
                quote = c;
            }
            else if (c == '/' && i + 1 < text.Length && text[i + 1] is '/' or '*')
            {
                var end = text[i + 1] == '/' ? text.IndexOf('\n', i) : text.IndexOf("*/", i + 2, StringComparison.Ordinal);
                i = end < 0 ? text.Length : end;
            }
            else if (c is '{' or '[' or '(' or '<')
            {
                if (++depth > DeepestNesting)
                {
                    throw new FormatException($"its brackets are nested more than {DeepestNesting} deep");
                }
            }
            else if (c is '}' or ']' or ')' or '>')
            {
                depth--;
            }
        }
    }

    private static DescriptorProto Message(Parsed.DescriptorProto parsed)
    {
        var message = new DescriptorProto { Name = parsed.Name };
        message.Field.AddRange(parsed.Fields.Select(Field));
        message.NestedType.AddRange(parsed.NestedTypes.Select(Message));
        message.EnumType.AddRange(parsed.EnumTypes.Select(Enumeration));
        message.OneofDecl.AddRange(parsed.OneofDecls.Select(oneof => new OneofDescriptorProto { Name = oneof.Name }));
        if (parsed.Options?.MapEntry == true)
        {
            message.Options = new MessageOptions { MapEntry = true };
        }

        // The oneof that protoc adds for each optional field of proto3, after the others.
        foreach (var field in message.Field.Where(field => field.Proto3Optional && !field.HasOneofIndex))
        {
            field.OneofIndex = message.OneofDecl.Count;
            message.OneofDecl.Add(new OneofDescriptorProto { Name = "_" + field.Name });
        }

        return message;
    }

    private static FieldDescriptorProto Field(Parsed.FieldDescriptorProto parsed)
    {
        var field = new FieldDescriptorProto
        {
            Name = parsed.Name,
            Number = parsed.Number,
            Label = (FieldDescriptorProto.Types.Label)(int)parsed.label,
            Type = (FieldDescriptorProto.Types.Type)(int)parsed.type,
            Proto3Optional = parsed.Proto3Optional,
        };
        if (!string.IsNullOrEmpty(parsed.TypeName))
        {
            field.TypeName = parsed.TypeName;
        }

        if (!string.IsNullOrEmpty(parsed.JsonName))
        {
            field.JsonName = parsed.JsonName;
        }

        if (parsed.ShouldSerializeOneofIndex())
        {
            field.OneofIndex = parsed.OneofIndex;
        }

        return field;
    }

    private static EnumDescriptorProto Enumeration(Parsed.EnumDescriptorProto parsed)
    {
        var enumeration = new EnumDescriptorProto { Name = parsed.Name };
        enumeration.Value.AddRange(parsed.Values.Select(value => new EnumValueDescriptorProto { Name = value.Name, Number = value.Number }));
        if (parsed.Options?.AllowAlias == true)
        {
            enumeration.Options = new EnumOptions { AllowAlias = true };
        }

        return enumeration;
    }
}
