using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Topics;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.State;

/// <summary>
/// Warns when messages are published to a topic that nobody reads while a topic of the same id in another project is read: the
/// publisher and the consumer then have different project ids, and the consumer gets nothing.
/// </summary>
internal sealed class ProjectMismatches
{
    // A subscription may be about to be read.
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(10);

    private readonly BrokerState _state;
    private readonly ILogger _logger;
    private readonly Dictionary<int, long> _ends;
    private readonly HashSet<int> _reported = [];

    public ProjectMismatches(BrokerState state, ILogger logger)
    {
        (_state, _logger) = (state, logger);
        _ends = state.Topics.ToDictionary(topic => topic.Id, topic => topic.Log.EndOffset);
    }

    /// <summary>Looks for messages that were published since the last call.</summary>
    public void Report()
    {
        foreach (var sameId in _state.Topics.GroupBy(topic => ResourceNames.IdOf(topic.Name)).Where(group => group.Skip(1).Any()))
        {
            foreach (var topic in sameId.Where(topic => !_reported.Contains(topic.Id) && HasUnreadMessages(topic)))
            {
                if (sameId.FirstOrDefault(other => other != topic && other.Subscriptions.Any(subscription => subscription.IsRead)) is { } read)
                {
                    _reported.Add(topic.Id);
                    _logger.LogWarning(
                        "Messages are published to {Topic}, which nobody reads, while {ReadTopic} of another project is read. Publisher and consumer need the same project id (PUBSUB_PROJECT_ID, GOOGLE_CLOUD_PROJECT, ecomstream.pubsub.project-id)",
                        topic.Name, read.Name);
                }
            }
        }
    }

    private bool HasUnreadMessages(BrokerTopic topic)
    {
        if (topic.Subscriptions.Count > 0)
        {
            return topic.Subscriptions.All(subscription => !subscription.IsRead && subscription.Idle >= _patience)
                && topic.Subscriptions.Any(subscription => subscription.Stats.Backlog > 0);
        }

        var end = topic.Log.EndOffset;
        var isPublishedTo = end > _ends.GetValueOrDefault(topic.Id);
        _ends[topic.Id] = end;
        return isPublishedTo;
    }
}
