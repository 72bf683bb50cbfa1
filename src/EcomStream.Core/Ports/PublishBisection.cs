namespace EcomStream.Core;

/// <summary>
/// Publishes messages so that one which the service never accepts stops only itself. Such a message fails its whole request;
/// what was refused is halved until the message stands alone. What the broker has accepted is never sent again.
/// </summary>
/// <param name="publish">Publishes messages to the topic, as <see cref="IPublisher.PublishAsync"/> does.</param>
/// <param name="accepted">Called with the indexes of messages as soon as the broker has them, also when other messages fail.</param>
/// <param name="rejected">Called with the index of each message that the service never accepts, and the reason.</param>
public sealed class PublishBisection(
    Func<IReadOnlyList<OutgoingMessage>, Task> publish, Func<IReadOnlyList<int>, Task> accepted, Action<int, PublishFailedException> rejected)
{
    /// <summary>Publishes the messages, in order.</summary>
    /// <exception cref="PublishFailedException">The topic does not exist, or may not be published to.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public Task PublishAsync(IReadOnlyList<OutgoingMessage> messages) =>
        messages.Count == 0 ? Task.CompletedTask : PublishAsync(messages, [.. Enumerable.Range(0, messages.Count)]);

    private async Task PublishAsync(IReadOnlyList<OutgoingMessage> messages, List<int> indexes)
    {
        PublishFailedException refused;
        List<int> left;
        try
        {
            await publish(indexes.ConvertAll(index => messages[index]));
            await accepted(indexes);
            return;
        }
        catch (PublishFailedException failure) when (failure.Fault == PublishFault.Message)
        {
            refused = failure;
            left = await AcceptAsync(indexes, failure.Accepted);
        }
        catch (PublishFailedException failure)
        {
            await AcceptAsync(indexes, failure.Accepted);
            throw;
        }
        catch (PublishCanceledException cancelled)
        {
            await AcceptAsync(indexes, cancelled.Accepted);
            throw;
        }

        if (left.Count == 1)
        {
            rejected(left[0], refused);
            return;
        }

        var half = left.Count / 2;
        await PublishAsync(messages, left[..half]);
        await PublishAsync(messages, left[half..]);
    }

    // Those that are left.
    private async Task<List<int>> AcceptAsync(List<int> indexes, IReadOnlyList<int> positions)
    {
        if (positions.Count == 0)
        {
            return indexes;
        }

        List<int> published = [.. positions.Select(position => indexes[position])];
        await accepted(published);
        return [.. indexes.Except(published)];
    }
}
