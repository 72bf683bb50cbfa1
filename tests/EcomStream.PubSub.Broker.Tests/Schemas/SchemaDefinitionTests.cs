using EcomStream.PubSub.Broker.Schemas;
using Google.Cloud.PubSub.V1.Schemas;
using Encoding = Google.Cloud.PubSub.V1.Schemas.Encoding;

namespace EcomStream.PubSub.Broker.Tests.Schemas;

/// <summary>What conforms to definitions in Avro and in protocol buffers, and which definitions may follow each other.</summary>
public sealed class SchemaDefinitionTests
{
    private const string Proto3 = """
        syntax = "proto3";
        package shop.v1;
        message Order {
          string item_name = 1;
          int32 quantity = 2;
          repeated int64 codes = 3;
          map<string, int32> counts = 4;
          Address address = 5;
          State state = 6;
          bytes raw = 7;
          oneof payment { string card = 8; uint64 voucher = 9; }
          optional double price = 10;
          bool paid = 11;
          message Address { string street = 1; Address next = 2; }
          enum State { UNKNOWN = 0; SENT = 1; }
        }
        """;

    private const string Proto2 = """syntax = "proto2"; message M { required string s = 1; optional group G = 2 { optional int32 i = 3; } }""";

    private const string AvroAll = """
        {"type":"record","name":"All","namespace":"a.b","fields":[
          {"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}},
          {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},
          {"name":"f","type":{"type":"fixed","name":"F","size":2}},
          {"name":"l","type":{"type":"array","items":"double"}},
          {"name":"m","type":{"type":"map","values":["null","All"]}},
          {"name":"b","type":"bytes"},
          {"name":"q","type":"boolean"}]}
        """;

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"itemName":"x","quantity":1,"codes":["1",2,-3],"counts":{"a":1},"address":{"street":"s","next":{}},"state":"SENT","raw":"AAA="}""")]
    [InlineData("""{"item_name":"x","quantity":"12","state":1,"raw":"-_8","card":"c","price":1.5,"paid":true}""")]
    [InlineData("""{"quantity":1.0,"codes":[1e2],"price":"NaN","voucher":"18446744073709551615","itemName":null}""")]
    public void JSON_conforms_to_protocol_buffers(string json) => Check(Schema.Types.Type.ProtocolBuffer, Proto3, Encoding.Json, json);

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("""{"other":1}""")]
    [InlineData("""{"itemName":1}""")]
    [InlineData("""{"quantity":2147483648}""")]
    [InlineData("""{"quantity":1.5}""")]
    [InlineData("""{"codes":1}""")]
    [InlineData("""{"counts":{"a":"b"}}""")]
    [InlineData("""{"address":{"street":2}}""")]
    [InlineData("""{"state":"LOST"}""")]
    [InlineData("""{"raw":"*"}""")]
    [InlineData("""{"card":"c","voucher":1}""")]
    [InlineData("""{"voucher":-1}""")]
    [InlineData("""{"paid":"true"}""")]
    [InlineData("""{"itemName":"x","item_name":"y"}""")]
    [InlineData("""{} {}""")]
    public void JSON_that_does_not_conform_to_protocol_buffers_is_rejected(string json) =>
        Rejected(Schema.Types.Type.ProtocolBuffer, Proto3, Encoding.Json, Bytes(json));

    [Theory]
    [InlineData(Proto3, "")]
    [InlineData(Proto3, "0A0178")]
    [InlineData(Proto3, "1001")]
    [InlineData(Proto3, "2A030A0178")]
    [InlineData(Proto3, "A00601")]
    [InlineData(Proto2, "0A0178")]
    [InlineData(Proto2, "0A017813180514")]
    public void Binary_data_conforms_to_protocol_buffers(string definition, string hex) =>
        SchemaDefinition.Parse(Schema.Types.Type.ProtocolBuffer, definition).Check(Convert.FromHexString(hex), Encoding.Binary);

    [Theory]
    [InlineData(Proto3, "0A0578")]
    [InlineData(Proto3, "0A01FF")]
    [InlineData(Proto3, "2A020A05")]
    [InlineData(Proto3, "00")]
    [InlineData(Proto3, "10")]
    [InlineData(Proto3, "14")]
    [InlineData(Proto2, "")]
    [InlineData(Proto2, "0A017813")]
    public void Binary_data_that_does_not_conform_to_protocol_buffers_is_rejected(string definition, string hex) =>
        Rejected(Schema.Types.Type.ProtocolBuffer, definition, Encoding.Binary, Convert.FromHexString(hex));

    [Fact]
    public void Messages_that_are_nested_too_deep_are_rejected()
    {
        byte[] message = [];
        for (var i = 0; i < 40; i++)
        {
            message = [0x12, (byte)message.Length, .. message];
        }

        var address = """syntax = "proto3"; message Address { string street = 1; Address next = 2; }""";
        SchemaDefinition.Parse(Schema.Types.Type.ProtocolBuffer, address).Check(message, Encoding.Binary);
        var avro = """{"type":"record","name":"N","fields":[{"name":"next","type":["null","N"]}]}""";
        var nested = new byte[200_001];
        Array.Fill(nested, (byte)2, 0, 200_000);
        Rejected(Schema.Types.Type.Avro, avro, Encoding.Binary, nested);
    }

    [Theory]
    [InlineData("")]
    [InlineData("syntax = \"proto3\"; message M { string s = 1 }")]
    [InlineData("syntax = \"proto3\"; message M { Missing s = 1; }")]
    [InlineData("syntax = \"proto3\"; message M {} message N {}")]
    [InlineData("syntax = \"proto3\"; enum E { A = 0; }")]
    [InlineData("syntax = \"proto3\"; import \"google/protobuf/timestamp.proto\"; message M { google.protobuf.Timestamp t = 1; }")]
    [InlineData("syntax = \"proto3\"; message M { string s = 1; int32 i = 1; }")]
    public void A_definition_in_protocol_buffers_is_one_message_without_imports(string definition) =>
        Should.Throw<FormatException>(() => SchemaDefinition.Parse(Schema.Types.Type.ProtocolBuffer, definition));

    [Theory]
    [InlineData("""{"t":1,"e":"B","f":"\u0000\u00ff","l":[1,2.5],"m":{},"b":"x","q":true}""")]
    [InlineData("""{"t":1,"e":"B","f":"ab","l":[],"m":{"k":null,"o":{"a.b.All":{"t":1,"e":"A","f":"ab","l":[],"m":{},"b":"","q":false}}},"b":"","q":true}""")]
    public void JSON_conforms_to_Avro(string json) => Check(Schema.Types.Type.Avro, AvroAll, Encoding.Json, json);

    [Theory]
    [InlineData("""{"t":"1","e":"B","f":"ab","l":[],"m":{},"b":"","q":true}""")]
    [InlineData("""{"t":1,"e":"C","f":"ab","l":[],"m":{},"b":"","q":true}""")]
    [InlineData("""{"t":1,"e":"B","f":"abc","l":[],"m":{},"b":"","q":true}""")]
    [InlineData("""{"t":1,"e":"B","f":"ab","l":["1"],"m":{},"b":"","q":true}""")]
    [InlineData("""{"t":1,"e":"B","f":"ab","l":[],"m":{"k":{"All":{}}},"b":"","q":true}""")]
    [InlineData("""{"t":1,"e":"B","f":"ab","l":[],"m":{},"b":"\u0100","q":true}""")]
    [InlineData("""{"t":1,"e":"B","f":"ab","l":[],"m":{},"b":"","q":1}""")]
    public void JSON_that_does_not_conform_to_Avro_is_rejected(string json) => Rejected(Schema.Types.Type.Avro, AvroAll, Encoding.Json, Bytes(json));

    [Theory]
    [InlineData("02" + "02" + "6162" + "00" + "00" + "00" + "01")]
    [InlineData("02" + "00" + "6162" + "02" + "0000000000000000" + "00" + "02" + "026B" + "00" + "00" + "04787A" + "00")]
    [InlineData("02" + "00" + "6162" + "01" + "10" + "0000000000000000" + "00" + "00" + "00" + "00")]
    public void Binary_data_conforms_to_Avro(string hex) =>
        SchemaDefinition.Parse(Schema.Types.Type.Avro, AvroAll).Check(Convert.FromHexString(hex), Encoding.Binary);

    [Theory]
    [InlineData("")]
    [InlineData("02" + "04" + "6162" + "00" + "00" + "00" + "01")]
    [InlineData("02" + "02" + "6162" + "00" + "00" + "00" + "02")]
    [InlineData("02" + "02" + "6162" + "00" + "00" + "00" + "01" + "00")]
    [InlineData("02" + "02" + "6162" + "00" + "00" + "FEFFFFFFFFFFFFFFFF01" + "01")]
    [InlineData("02" + "02" + "6162" + "FEFFFFFFFFFFFFFFFF01")]
    public void Binary_data_that_does_not_conform_to_Avro_is_rejected(string hex) =>
        Rejected(Schema.Types.Type.Avro, AvroAll, Encoding.Binary, Convert.FromHexString(hex));

    [Theory]
    [InlineData("message M { optional string s = 1; }", "message M { optional string s = 1; optional int32 i = 2; }", true)]
    [InlineData("message M { optional string s = 1; optional int32 i = 2; }", "message M { optional string s = 1; }", true)]
    [InlineData("message M { optional string s = 1; }", "message M { optional string s = 1; repeated int32 i = 2; }", false)]
    [InlineData("message M { optional string s = 1; }", "message M { optional bytes s = 1; }", false)]
    [InlineData("message M { optional string s = 1; }", "message M { optional string t = 1; }", false)]
    [InlineData("message M { message N { optional string s = 1; } optional N n = 1; }", "message M { message N { optional bytes s = 1; } optional N n = 1; }", false)]
    public void A_revision_in_protocol_buffers_adds_and_removes_optional_fields_only(string before, string after, bool mayFollow) =>
        (Parse(Schema.Types.Type.ProtocolBuffer, "syntax = \"proto3\"; " + after).Incompatibility(Parse(Schema.Types.Type.ProtocolBuffer, "syntax = \"proto3\"; " + before)) is null).ShouldBe(mayFollow);

    [Theory]
    [InlineData("\"int\"", "\"int\"", true)]
    [InlineData("\"int\"", "\"long\"", false)]
    [InlineData("\"int\"", "\"string\"", false)]
    public void A_revision_in_Avro_reads_and_is_read_by_the_one_before_it(string before, string after, bool mayFollow)
    {
        static string Record(string type) => $$"""{"type":"record","name":"A","fields":[{"name":"a","type":{{type}}}]}""";
        (Parse(Schema.Types.Type.Avro, Record(after)).Incompatibility(Parse(Schema.Types.Type.Avro, Record(before))) is null).ShouldBe(mayFollow);
    }

    private static SchemaDefinition Parse(Schema.Types.Type type, string definition) => SchemaDefinition.Parse(type, definition);

    private static byte[] Bytes(string json) => System.Text.Encoding.UTF8.GetBytes(json);

    [Fact]
    public void Types_that_use_each_other_in_many_ways_are_compared_in_a_moment()
    {
        const string Values = """
            syntax = "proto3";
            message Value {
              A a = 1; B b = 2;
              message A { A a = 1; B b = 2; Value v = 3; }
              message B { A a = 1; B b = 2; Value v = 3; }
            }
            """;
        Compare(Schema.Types.Type.ProtocolBuffer, Values).ShouldBeNull();

        var fields = Enumerable.Range(1, 40).Select(n =>
            $$$"""{"name":"f{{{n}}}","type":{"type":"record","name":"R{{{n}}}","fields":[{"name":"a","type":"R{{{n - 1}}}"},{"name":"b","type":"R{{{n - 1}}}"}]}}""");
        var records = $$$"""{"type":"record","name":"T","fields":[{"name":"f0","type":{"type":"record","name":"R0","fields":[{"name":"x","type":"null"}]}},{{{string.Join(',', fields)}}}]}""";
        Compare(Schema.Types.Type.Avro, records).ShouldBeNull();
        Rejected(Schema.Types.Type.Avro, records, Encoding.Binary, []);

        static string? Compare(Schema.Types.Type type, string definition) =>
            SchemaDefinition.Parse(type, definition).Incompatibility(SchemaDefinition.Parse(type, definition));
    }

    [Theory]
    [InlineData(60)]
    [InlineData(100_000)]
    public void A_definition_that_is_nested_too_deep_is_rejected(int depth) => Should.Throw<FormatException>(() => SchemaDefinition.Parse(
        Schema.Types.Type.ProtocolBuffer, "syntax = \"proto3\"; " + string.Concat(Enumerable.Repeat("message A { ", depth)) + new string('}', depth)));

    [Fact]
    public void Texts_and_comments_do_not_count_as_nested() => SchemaDefinition.Parse(
        Schema.Types.Type.ProtocolBuffer,
        $"syntax = \"proto3\"; // it's {new string('{', 60)}\n/* {new string('{', 60)} */ message A {{ string s = 1 [json_name = \"{new string('{', 60)}\"]; }}");

    [Theory]
    [InlineData("[\"null\",\"int\"]", "[\"null\",\"string\"]", false)]
    [InlineData("[\"null\",\"int\"]", "[\"int\",\"null\"]", true)]
    [InlineData("[\"null\",\"int\"]", "[\"null\",\"int\",\"string\"]", false)]
    public void Nullable_fields_in_Avro_are_compared_by_their_types(string before, string after, bool mayFollow) =>
        (SchemaDefinition.Parse(Schema.Types.Type.Avro, Record(after)).Incompatibility(SchemaDefinition.Parse(Schema.Types.Type.Avro, Record(before))) is null).ShouldBe(mayFollow);

    [Fact]
    public void JSON_with_half_a_surrogate_pair_is_rejected()
    {
        Rejected(Schema.Types.Type.Avro, AvroAll, Encoding.Json, "{\"\\ud800\": 1}"u8.ToArray());
        Rejected(Schema.Types.Type.ProtocolBuffer, Proto3, Encoding.Json, "{\"\\ud800\": 1}"u8.ToArray());
    }

    private static string Record(string type) => $$"""{"type":"record","name":"R","fields":[{"name":"x","type":{{type}}}]}""";

    private static void Check(Schema.Types.Type type, string definition, Encoding encoding, string json) =>
        Parse(type, definition).Check(Bytes(json), encoding);

    private static void Rejected(Schema.Types.Type type, string definition, Encoding encoding, byte[] data) =>
        Should.Throw<FormatException>(() => Parse(type, definition).Check(data, encoding));
}
