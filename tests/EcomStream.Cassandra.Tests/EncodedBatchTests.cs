using EcomStream.Cassandra.Encoded;
using EcomStream.Cassandra.Seam;
using EcomStream.Cassandra.Tests.InMemory;
using EcomStream.Cql;

namespace EcomStream.Cassandra.Tests;

public sealed class EncodedBatchTests
{
    [Fact]
    public void Values_are_encoded_as_the_protocol_sends_them()
    {
        var encoded = EncodedCells.Of(new EveryKind());

        encoded[..^1].Select(Hex).ShouldBe(
        [
            "fffffffffffffffe", "null", "00000007", "3ff8000000000000", "null", "c3bc", "null", "00ff", "",
        ]);
        encoded[..^1].Select(Hex).ShouldBe(InMemoryCells.Of(new EveryKind())[..^1].Select(value => Hex((byte[]?)value)));
    }

    [Fact]
    public void A_list_has_its_count_and_the_length_of_each_element() =>
        Hex(EncodedCells.Of(new EveryKind())[^1]).ShouldBe("00000002" + "00000008" + "0000000000000001" + "00000008" + "ffffffffffffffff");

    [Fact]
    public void A_batch_keeps_the_order_of_rows_and_counts_rows_and_bytes()
    {
        var (first, second) = (new Statement("first"), new Statement("second"));
        using var row = new EncodedBatch();
        using var batch = new EncodedBatch();
        row.Add(first, new OneNumber(1));
        row.Add(second, new OneNumber(2));
        var length = row.Length;

        batch.Append(row);
        row.Clear();
        row.Add(first, new OneNumber(3));
        batch.Append(row);

        row.Length.ShouldBe(length / 2);
        batch.Rows.ShouldBe(2);
        batch.Length.ShouldBe(length + row.Length);
        batch.Statements.Select(statement => (statement.Statement.Cql, statement.Values.Single()![^1]))
            .ShouldBe([("first", (byte)1), ("second", (byte)2), ("first", (byte)3)]);
        batch.Clear();
        (batch.Rows, batch.Length, batch.Statements.Count).ShouldBe((0, 0, 0));
    }

    [Theory]
    [InlineData(CqlErrorCode.Overloaded, "Unavailable")]
    [InlineData(CqlErrorCode.WriteTimeout, "Unavailable")]
    [InlineData(CqlErrorCode.Unprepared, "Unavailable")]
    [InlineData(CqlErrorCode.CasWriteUnknown, "Unavailable")]
    [InlineData(CqlErrorCode.Invalid, "Invalid")]
    [InlineData(CqlErrorCode.Unauthorized, "Denied")]
    [InlineData(CqlErrorCode.ConfigError, "Denied")]
    [InlineData(CqlErrorCode.SyntaxError, "Denied")]
    public void An_error_code_means_the_same_whichever_client_received_it(CqlErrorCode code, string kind)
    {
        var fault = FaultKinds.OfServer(code, "write facts", "in the server's words", new InvalidOperationException());

        fault.Kind.ToString().ShouldBe(kind);
        fault.ServerMessage.ShouldBe("in the server's words");
        fault.Message.ShouldBe($"write facts: Cassandra answered {code} (0x{(int)code:x4}): in the server's words");
    }

    private static string Hex(byte[]? value) => value is null ? "null" : Convert.ToHexStringLower(value);

    private sealed record Statement(string Cql) : IStatement;

    private readonly struct OneNumber(long number) : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells => cells.Bigint(number);
    }

    private readonly struct EveryKind : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells
        {
            cells.Bigint(-2);
            cells.Bigint(null);
            cells.Int(7);
            cells.Double(1.5);
            cells.Double(null);
            cells.Text("ü");
            cells.Text(null);
            cells.Blob([0, 255]);
            cells.Empty();
            cells.Bigints([1, -1]);
        }
    }
}
