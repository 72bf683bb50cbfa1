using System.Text;
using EcomStream.Host.Commands.DeadLetters;

namespace EcomStream.Chaos.Fuzzing.Targets;

/// <summary>
/// Lines of <c>dlq import</c>. What is wrong is a <see cref="FormatException"/>, and what is read is written as a line that
/// reads the same.
/// </summary>
internal sealed class ImportTarget : IFuzzTarget
{
    private static readonly IReadOnlyList<byte[]> _corpus = Corpus.Of(
        """{"id":"17-1017","order_id":17,"payment_key":"1017","state":"dead-lettered","reason":"no-matching-order","detail":"","published":"2026-11-24T08:00:00.000001Z","since":"2026-11-24T08:00:30Z","changed":"2026-11-24T08:00:31Z","replays":0,"message_id":"9","subscription":"payments_data-sub","data":"{\"order_id\": 17, \"payment_id\": 1017}","attributes":{"origin":"x"},"history":["2026-11-24T08:00:30Z waiting","2026-11-24T08:00:31Z dead-lettered"]}""",
        """{"id":"17-~pi_A","order_id":17,"payment_key":"~pi_A","state":"waiting","reason":"no-matching-order","detail":"","published":"2026-11-24T08:00:00Z","since":"2026-11-24T08:00:30Z","changed":"2026-11-24T08:00:31Z","replays":2,"message_id":"9","subscription":"payments_data-sub","data":"{\"order_id\": 17, \"payment_id\": \"pi_A\"}","attributes":{},"ordering_key":"k","history":[]}""",
        """{"id":"orders_data-sub-4711","state":"dead-lettered","reason":"malformed","detail":"InvalidJson","published":"2026-11-24T08:00:00Z","since":"2026-11-24T08:00:30Z","changed":"2026-11-24T08:00:31Z","replays":0,"message_id":"4711","subscription":"orders_data-sub","data_base64":"/w==","attributes":{},"history":[]}""");

    private static readonly IReadOnlyList<byte[]> _tokens =
    [
        .. Corpus.JsonTokens,
        .. Corpus.Of(
            "\"id\":", "\"data\":", "\"data_base64\":", "\"history\":", "\"attributes\":", "\"since\":", "\"9999-12-31T23:59:59.9999999Z\"", "\"0001-01-01T00:00:00Z\"",
            "\"healed\"", "\"discarded\"", "\"superseded\"", "17-", "-1017", "@9", "~", "sha256:", "\"ordering_key\":"),
    ];

    public string Name => "dlq-import";

    public int Weight => 80;

    public void Run(FuzzInput input)
    {
        var line = Encoding.UTF8.GetString(input.Next(_corpus, _tokens));
        try
        {
            var row = RowJsonReader.Read(line);
            var written = RowJson.Write(row);
            if (RowJson.Write(RowJsonReader.Read(written)) != written)
            {
                throw new FuzzException($"read, and written as another row: {written}");
            }
        }
        catch (FormatException)
        {
            // As documented.
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
