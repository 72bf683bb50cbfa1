namespace EcomStream.PubSub;

/// <summary>What a request to the broker does with the leases of its messages.</summary>
internal enum LeaseRequest
{
    /// <summary>Acks them.</summary>
    Ack,

    /// <summary>Gives them back: an ack deadline of 0.</summary>
    Nack,

    /// <summary>Extends their leases.</summary>
    Extension,
}

/// <summary>
/// Whether the broker may lease messages to a client with callbacks after it has ended. Such a client reports settlements as
/// done although their requests have failed, so the requests themselves are recorded, and how the streams ended. Thread-safe.
/// </summary>
internal sealed class GiveBackRecord
{
    // With more ids than this it is taken as unknown.
    private const int MostIds = 100_000;

    private readonly Lock _lock = new();
    private readonly HashSet<string> _failed = [];
    private readonly HashSet<string> _nacked = [];
    private readonly Dictionary<string, int> _extended = [];
    private int _underWay;
    private int _unconfirmed;
    private int _streams;
    private int _endedCleanly;
    private bool _isUnknown;
    private bool _hasNacked;

    /// <summary>Whether the broker leases nothing to the client any more, as far as the record goes.</summary>
    /// <param name="nacksReturnAtOnce">Whether the subscription is known to deliver at once what was nacked.</param>
    public bool IsEverythingGivenBack(bool nacksReturnAtOnce)
    {
        lock (_lock)
        {
            return !_isUnknown && _failed.Count == 0 && _underWay == 0 && _unconfirmed == 0 && _endedCleanly >= _streams
                && (!_hasNacked || nacksReturnAtOnce);
        }
    }

    /// <summary>A run of the client begins.</summary>
    /// <param name="streams">Streams that it opens.</param>
    public void Started(int streams)
    {
        lock (_lock)
        {
            (_streams, _endedCleanly) = (streams, 0);
        }
    }

    /// <summary>A stream that was stopped has ended.</summary>
    /// <param name="isClean">Whether the server ended it, everything that it had sent was read, and what nobody saw was given back.</param>
    public void StreamEnded(bool isClean)
    {
        lock (_lock)
        {
            _endedCleanly += isClean ? 1 : 0;
            _isUnknown |= !isClean;
        }
    }

    /// <summary>Messages that were received were forgotten before they were acked or nacked.</summary>
    public void Lost()
    {
        lock (_lock)
        {
            _isUnknown = true;
        }
    }

    /// <summary>Messages were given back that the client has not seen.</summary>
    public void GaveBackUnseen()
    {
        lock (_lock)
        {
            _hasNacked = true;
        }
    }

    /// <summary>Messages were received that the client hands out only when their receipt is confirmed.</summary>
    public void ReceivedUnconfirmed(int messages)
    {
        lock (_lock)
        {
            _unconfirmed += messages;
        }
    }

    /// <summary>The client has handed out one of them.</summary>
    public void Confirmed()
    {
        lock (_lock)
        {
            _unconfirmed--;
        }
    }

    /// <summary>A request is about to be sent; <see cref="ObserveAsync"/> follows.</summary>
    /// <param name="request">What it does.</param>
    /// <param name="ackIds">The deliveries it is about.</param>
    public void Sending(LeaseRequest request, IReadOnlyCollection<string> ackIds)
    {
        lock (_lock)
        {
            _underWay++;
            switch (request)
            {
                case LeaseRequest.Nack:
                    // An extension that arrives after the nack leases the message again.
                    _hasNacked = true;
                    _isUnknown |= ackIds.Any(_extended.ContainsKey);
                    _nacked.UnionWith(ackIds);
                    Limit(_nacked);
                    break;
                case LeaseRequest.Extension:
                    _isUnknown |= _nacked.Count > 0 && ackIds.Any(_nacked.Contains);
                    foreach (var id in ackIds)
                    {
                        _extended[id] = _extended.GetValueOrDefault(id) + 1;
                    }

                    break;
            }
        }
    }

    /// <summary>Completes as the answer to a request does, after that was recorded.</summary>
    /// <param name="request">What the request does.</param>
    /// <param name="ackIds">The deliveries it is about.</param>
    /// <param name="answer">The answer.</param>
    public async Task<T> ObserveAsync<T>(LeaseRequest request, IReadOnlyCollection<string> ackIds, Task<T> answer)
    {
        await ((Task)answer).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Answered(request, ackIds, answer.IsCompletedSuccessfully);
        return await answer.ConfigureAwait(false);
    }

    private void Answered(LeaseRequest request, IReadOnlyCollection<string> ackIds, bool succeeded)
    {
        lock (_lock)
        {
            _underWay--;
            if (request == LeaseRequest.Extension)
            {
                foreach (var id in ackIds)
                {
                    if (--_extended[id] == 0)
                    {
                        _extended.Remove(id);
                    }
                }
            }
            else if (!succeeded)
            {
                _failed.UnionWith(ackIds);
                Limit(_failed);
            }
            else if (_failed.Count > 0)
            {
                _failed.ExceptWith(ackIds);
            }
        }
    }

    private void Limit(HashSet<string> ids)
    {
        if (ids.Count > MostIds)
        {
            _isUnknown = true;
            ids.Clear();
        }
    }
}
