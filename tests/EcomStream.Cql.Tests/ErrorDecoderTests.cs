using EcomStream.Cql.TestSupport;
using System.Net;
using EcomStream.Cql.Protocol;

namespace EcomStream.Cql.Tests;

/// <summary>Every ERROR that the protocol documents (native_protocol_v5.spec, section 9), as its bytes and as an exception.</summary>
public sealed class ErrorDecoderTests
{
    private const string Node = "10.1.2.3:9042";
    private const string Text = "what the server says";

    [Theory]
    [InlineData(CqlErrorCode.ServerError, true)]
    [InlineData(CqlErrorCode.ProtocolError, false)]
    [InlineData(CqlErrorCode.Overloaded, true)]
    [InlineData(CqlErrorCode.IsBootstrapping, true)]
    [InlineData(CqlErrorCode.TruncateError, true)]
    [InlineData(CqlErrorCode.CdcWriteFailure, true)]
    [InlineData(CqlErrorCode.SyntaxError, false)]
    [InlineData(CqlErrorCode.Unauthorized, false)]
    [InlineData(CqlErrorCode.Invalid, false)]
    [InlineData(CqlErrorCode.ConfigError, false)]
    public void An_error_of_words_alone_says_code_node_and_words(CqlErrorCode code, bool retryable)
    {
        var error = Decode<CqlServerException>(code, _ => { });
        error.Code.ShouldBe(code);
        error.IsRetryable.ShouldBe(retryable);
    }

    [Fact]
    public void Wrong_credentials_are_an_authentication_failure_and_a_node_that_cannot_check_them_is_tried_again()
    {
        Decode(CqlErrorCode.BadCredentials, "Provided username admin and/or password are incorrect", _ => { })
            .ShouldBeOfType<CqlAuthenticationException>().IsRetryable.ShouldBeFalse();
        Decode(CqlErrorCode.BadCredentials, "Unable to perform authentication: no replicas", _ => { }).IsRetryable.ShouldBeTrue();
    }

    [Fact]
    public void Unavailable_says_how_many_replicas_are_alive()
    {
        var error = Decode<CqlUnavailableException>(CqlErrorCode.Unavailable, body =>
        {
            body.Short((int)Consistency.LocalQuorum);
            body.Int(2);
            body.Int(1);
        });
        (error.Consistency, error.Required, error.Alive, error.IsRetryable).ShouldBe((Consistency.LocalQuorum, 2, 1, true));
    }

    [Theory]
    [InlineData(CqlErrorCode.WriteTimeout, true)]
    [InlineData(CqlErrorCode.ReadTimeout, true)]
    [InlineData(CqlErrorCode.CasWriteUnknown, false)]
    public void A_timeout_says_how_many_replicas_answered(CqlErrorCode code, bool retryable)
    {
        var error = Decode<CqlReplicasException>(code, body =>
        {
            Answered(body);
            switch (code)
            {
                case CqlErrorCode.WriteTimeout:
                    body.String("UNLOGGED_BATCH");
                    break;
                case CqlErrorCode.ReadTimeout:
                    body.Byte(1);
                    break;
            }
        });
        (error.Consistency, error.Received, error.Required, error.IsRetryable).ShouldBe((Consistency.Quorum, 1, 2, retryable));
        error.WriteType.ShouldBe(code == CqlErrorCode.WriteTimeout ? "UNLOGGED_BATCH" : null);
        error.DataPresent.ShouldBe(code == CqlErrorCode.ReadTimeout);
    }

    [Theory]
    [InlineData(CqlErrorCode.WriteFailure, 5)]
    [InlineData(CqlErrorCode.WriteFailure, 4)]
    [InlineData(CqlErrorCode.ReadFailure, 5)]
    [InlineData(CqlErrorCode.ReadFailure, 4)]
    public void A_failure_says_which_replica_failed_why_where_the_version_knows_it(CqlErrorCode code, byte version)
    {
        var error = Decode<CqlReplicasException>(
            code,
            body =>
            {
                Answered(body);
                body.Int(1);
                if (version >= 5)
                {
                    body.Byte(4);
                    body.Raw([10, 0, 0, 7]);
                    body.Short(1);
                }

                if (code == CqlErrorCode.WriteFailure)
                {
                    body.String("SIMPLE");
                }
                else
                {
                    body.Byte(0);
                }
            },
            version);
        error.Reasons.ShouldBe(version >= 5 ? new Dictionary<IPAddress, int> { [IPAddress.Parse("10.0.0.7")] = 1 } : []);
        error.WriteType.ShouldBe(code == CqlErrorCode.WriteFailure ? "SIMPLE" : null);
        error.IsRetryable.ShouldBeTrue();
    }

    [Fact]
    public void A_function_that_failed_is_named_with_its_types()
    {
        var error = Decode<CqlFunctionException>(CqlErrorCode.FunctionFailure, body =>
        {
            body.String("shop");
            body.String("total");
            body.Short(2);
            body.String("int");
            body.String("text");
        });
        (error.Function, error.IsRetryable).ShouldBe(("shop.total(int, text)", false));
    }

    [Fact]
    public void What_exists_already_and_what_was_forgotten_are_named()
    {
        var exists = Decode<CqlAlreadyExistsException>(CqlErrorCode.AlreadyExists, body =>
        {
            body.String("shop");
            body.String("orders");
        });
        (exists.Keyspace, exists.Table, exists.IsRetryable).ShouldBe(("shop", "orders", false));

        var forgotten = Decode<CqlUnpreparedException>(CqlErrorCode.Unprepared, body => body.ShortBytes([1, 2, 3]));
        forgotten.Id.ShouldBe([1, 2, 3]);
        forgotten.IsRetryable.ShouldBeTrue();
    }

    [Fact]
    public void An_error_that_ends_too_early_is_a_protocol_error() =>
        Should.Throw<CqlProtocolException>(() => Decode(CqlErrorCode.Unavailable, Text, body => body.Short(1)));

    private static void Answered(ByteWriter body)
    {
        body.Short((int)Consistency.Quorum);
        body.Int(1);
        body.Int(2);
    }

    private static T Decode<T>(CqlErrorCode code, Action<ByteWriter> rest, byte version = 5)
        where T : CqlServerException
    {
        var error = Decode(code, Text, rest, version).ShouldBeAssignableTo<T>()!;
        error.Message.ShouldContain(Node);
        error.Message.ShouldContain(Text);
        error.Code.ShouldBe(code);
        return error;
    }

    private static CqlException Decode(CqlErrorCode code, string text, Action<ByteWriter> rest, byte version = 5)
    {
        using var body = new ByteWriter();
        body.Int((int)code);
        body.String(text);
        rest(body);
        return ErrorDecoder.Decode(body.Written, version, Node);
    }
}
