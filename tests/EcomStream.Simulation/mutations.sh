#!/usr/bin/env bash
# Puts faults into a copy of the pipeline, one after the other, and says how many seeds of the simulation it takes to find
# each: a simulation that finds nothing proves something only if it would find what is there. Prints the table of
# docs/reliability.md. Exit code 1: a fault was not found.
#   tests/EcomStream.Simulation/mutations.sh [SEEDS [PATTERN]]     10000 seeds unless given; PATTERN: only faults that match it
set -uo pipefail
cd "$(dirname "$0")/../.."
seeds=${1:-10000}
pattern=${2:-.}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/tests"
cp -r Directory.Build.props Directory.Packages.props global.json .editorconfig "$copy/"
cp -r README.md LICENSE "$copy/"
for project in Core Actors Testing; do
  mkdir -p "$copy/src/EcomStream.$project"
  tar -C "src/EcomStream.$project" --exclude=bin --exclude=obj -cf - . | tar -C "$copy/src/EcomStream.$project" -xf -
done
mkdir -p "$copy/tests/EcomStream.Simulation"
tar -C tests/EcomStream.Simulation --exclude=bin --exclude=obj -cf - . | tar -C "$copy/tests/EcomStream.Simulation" -xf -
missed=0

build() { dotnet build "$copy/tests/EcomStream.Simulation" -c Release -v q -p:TreatWarningsAsErrors=false >"$copy/build.log" 2>&1; }

# name, file below src, text, replacement
mutate() {
  local name=$1 file=$copy/src/$2 found
  [[ $name =~ $pattern ]] || return
  cp "$file" "$copy/saved"
  TEXT=$3 REPLACEMENT=$4 perl -0pi -e 's/\Q$ENV{TEXT}\E/$ENV{REPLACEMENT}/ or $missing = 1; END { exit 1 if $missing }' "$file" || { echo "| $name | the text is not in $2 | |"; missed=1; cp "$copy/saved" "$file"; return; }
  if ! build; then
    echo "| $name | does not compile: $(grep -m1 'error' "$copy/build.log") | |"
    missed=1
  else
    found=$(dotnet "$copy/tests/EcomStream.Simulation/bin/Release/net10.0/EcomStream.Simulation.dll" --seeds "$seeds" --until-found | grep -m1 '^seed ')
    if [ -z "$found" ]; then
      echo "| $name | not found in $seeds | |"
      missed=1
    else
      found=${found#seed }
      echo "| $name | ${found%%:*} | $(sed -E 's/^[0-9]+: [0-9:.]+ //' <<<"$found" | cut -c1-110) |"
    fi
  fi
  cp "$copy/saved" "$file"
}

build || { cat "$copy/build.log"; exit 1; }
dotnet "$copy/tests/EcomStream.Simulation/bin/Release/net10.0/EcomStream.Simulation.dll" --seeds "$seeds" --until-found \
  || { echo "The code without a fault put in does not pass." >&2; exit 1; }

echo "| fault | seeds until it is found | what is found |"
echo "|---|---|---|"
mutate "leases of lost readers are not waited for" EcomStream.Actors/Watermark/SubscriptionWatermark.cs \
  '!_nothingLeased && _longestLease > 0' '!_nothingLeased && false'
mutate "leases have run out although the process slept" EcomStream.Actors/Watermark/SubscriptionWatermark.cs \
  'AwaitsLeases(since, probedAt)' 'AwaitsLeases(since, at)'
mutate "a lost stream does not start the wait anew" EcomStream.Actors/Watermark/SubscriptionWatermark.cs \
  '_readingSince is null || status.StreamsOpened != _streamsOpened' '_readingSince is null'
mutate "a clean stop is recorded although leases of an earlier crash have not run out" EcomStream.Actors/Hosting/CleanStops.cs \
  '.Where(pair => pair.Second.IsNothingLeasedElsewhere)' ''
mutate "a record of a clean stop is used after a stream was lost" EcomStream.Actors/Watermark/SubscriptionWatermark.cs \
  '_nothingLeased &= _readingSince is null && status.StreamsReopened == 0;' ''
mutate "one message that is unacked elsewhere counts as received" EcomStream.Actors/Watermark/SubscriptionWatermark.cs \
  'backlog.UnackedMessages == answer.ReceivedMessages;' 'backlog.UnackedMessages <= answer.ReceivedMessages + 1;'
mutate "silence counts without a round trip" EcomStream.Actors/Watermark/SubscriptionWatermark.cs \
  ' && probedAt - quietSince >= _idle)' ')'
mutate "the watermark is one idle time too far" EcomStream.Actors/Watermark/SubscriptionWatermark.cs \
  '(brokerTime - _idle, WatermarkHold.None' '(brokerTime + _idle, WatermarkHold.None'
mutate "half of the grace period is waited for" EcomStream.Actors/Settings/EcomStreamSettings.cs \
  'Grace = reader.Time("unmatched.grace", TimeSpan.Zero),' 'Grace = reader.Time("unmatched.grace", TimeSpan.Zero) / 2,'
mutate "a payment is given up although a newer message of it waits" EcomStream.Core/Join/OrderState.cs \
  '!_waiting.Any(w => w.Message.Delivery.PublishTimeMicros > until && SamePayment(w.Message, payment.Message))' 'true'
mutate "the older of two payments stays in the row" EcomStream.Core/Join/OrderState.Rules.cs \
  'left.Stamp != right.Stamp ? left.Stamp > right.Stamp' 'left.Stamp != right.Stamp ? left.Stamp < right.Stamp'
mutate "a displaced payment is forgotten" EcomStream.Core/Join/OrderState.Rules.cs \
  'new Decision { DeadLetters = [new DeadLetterPayment(current, DeadLetterReason.Superseded)] },' 'default,'
mutate "a heal is forgotten" EcomStream.Core/Join/OrderState.Rules.cs \
  '(heal ??= []).Add(message);' ''
mutate "a heal takes a row that has a newer message" EcomStream.Actors/Unmatched/UnmatchedLedger.cs \
  ' && UnmatchedRows.Compare(payment, existing) >= 0)' ')'
mutate "a dead letter takes a row that has a newer message" EcomStream.Actors/Unmatched/UnmatchedLedger.cs \
  'if (existing.IsHealable && age < 0)' 'if (false)'
mutate "a payment is acked before its row is written" EcomStream.Actors/Unmatched/UnmatchedLedger.cs \
  'Parked++;
            Change(row);' 'Parked++; payment.Delivery.Ack();
            Change(row);'
mutate "a write is acked before it is done" EcomStream.Actors/Writing/WriteQueue.cs \
  'work.Current = work.Pending;' 'work.Current = work.Pending; work.Current!.AckAll();'
mutate "a merged message is never settled" EcomStream.Actors/Writing/PendingWrite.cs \
  '(Extra.Messages ??= []).AddRange(also);' ''
mutate "a merge keeps the payment that came last" EcomStream.Actors/Writing/PendingWrite.cs \
  'if (Payment is null || OrderState.IsNewer(payment, Payment))' 'if (true)'
mutate "rows of unmatched payments are not read at the start" EcomStream.Actors/Hosting/PipelineShards.cs \
  '_group.Index.Add(payment);' ''
mutate "a failed write is not tried again" EcomStream.Actors/Writing/FactWriter.Failures.cs \
  'Timers.StartSingleTimer(++_timer, new RepeatBatch(batch), delay);' ''
mutate "an order without an actor does not read its unmatched rows" EcomStream.Actors/Orders/OrderSupervisor.cs \
  'if (isOrder && _index.Contains(orderId))' 'if (false)'
mutate "a slot is vacated although messages are on their way to it" EcomStream.Actors/Orders/OrderSupervisor.cs \
  'slot.VacantAt != slot.Sent || ' ''
mutate "whether a payment was discarded is not looked up" EcomStream.Actors/Orders/OrderSupervisor.cs \
  ' && _index.MayHaveDiscarded(payment.OrderId))' ' && false)'
mutate "orders with discarded payments are not read at the start" EcomStream.Actors/Unmatched/UnmatchedIndex.cs \
  'SetDiscarded(payment.OrderId);' ''
mutate "given-up payments stay in memory" EcomStream.Core/Join/OrderState.cs \
  'Waiting = [.. _waiting.Where(w => !w.IsGivenUp)], HasMoreRows = true };' 'Waiting = Waiting };'
mutate "a newer message of a discarded payment counts as discarded" EcomStream.Actors/Unmatched/UnmatchedLedger.cs \
  '        && UnmatchedRows.Compare(payment, row) <= 0;' '        ;'
mutate "a replay of a discarded payment counts as new when it is delivered again" EcomStream.Actors/Unmatched/UnmatchedLedger.cs \
  '_rows.TryGetValue(payment.Key, out var row)
        && row.State == UnmatchedState.Discarded' 'payment.Replay is null && _rows.TryGetValue(payment.Key, out var row)
        && row.State == UnmatchedState.Discarded'
mutate "a replay is acked before its dead letter is marked as healed" EcomStream.Actors/Writing/FactWriter.Completion.cs \
  '_unmatched.Tell(new HealReplayedPayment(payment), ActorRefs.NoSender);' 'payment.Delivery.Ack(); _unmatched.Tell(new HealReplayedPayment(payment), ActorRefs.NoSender);'
mutate "a backlog of old messages ends the wait for leases" EcomStream.Actors/Watermark/SubscriptionWatermark.cs \
  'clock.LatestAt(since)' 'clock.At(since)'
exit $missed
