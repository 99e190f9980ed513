#include "log_segments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "segment_scan.hpp"

namespace flowrelay::storage {

namespace {

// Maximum number of events that one load() examines: a few milliseconds.
constexpr std::size_t max_looks = 50'000;

}  // namespace

std::uint64_t LogSegments::disk_bytes() const noexcept {
    std::uint64_t bytes = 0;
    for (const Segment& segment : segments_) bytes += segment.disk_bytes();
    return bytes;
}

void LogSegments::push_back(Segment segment) {
    queued_ += segment.queued();
    segments_.push_back(std::move(segment));
}

void LogSegments::pop_front() {
    queued_ -= segments_.front().queued();
    segments_.pop_front();
}

void LogSegments::replace(std::size_t first, std::size_t count, Segment segment) {
    const auto begin = segments_.begin() + static_cast<std::ptrdiff_t>(first);
    *begin = std::move(segment);
    segments_.erase(std::next(begin), begin + static_cast<std::ptrdiff_t>(count));
}

Segment* LogSegments::of(Seq seq) {
    const auto behind = std::upper_bound(
        segments_.begin(), segments_.end(), seq,
        [](Seq value, const Segment& segment) { return value < segment.header.next_seq; });
    return behind == segments_.begin() ? nullptr : &*std::prev(behind);
}

// --- settling ------------------------------------------------------------------------------------

Result<std::optional<IndexedEvent>> LogSegments::find(Seq seq) {
    using Found = std::optional<IndexedEvent>;
    Segment* segment = of(seq);
    if (segment == nullptr) return Found();
    if (!segment->sealed) {
        const IndexedEvent* event = segment->live.find(seq);
        return event != nullptr ? Found(*event) : Found();
    }
    return with_index(*segment, [seq](const SealedEvents& events) -> Result<Found> {
        const auto place = events.index.find(seq);
        if (place.has_error()) return place.error();
        if (!*place || events.settled.test(**place)) return Found();
        const auto event = events.index.at(**place);
        if (event.has_error()) return event.error();
        return Found(*event);
    });
}

Result<bool> LogSegments::begin_settling(Seq seq) {
    if (settling_.contains(seq)) return false;
    const auto queued = is_queued(seq);
    if (queued.has_error()) return queued.error();
    if (*queued) settling_.insert(seq);
    return *queued;
}

/// Whether an event is queued; often without reading the index.
Result<bool> LogSegments::is_queued(Seq seq) {
    Segment* segment = of(seq);
    if (segment == nullptr) return false;
    if (!segment->sealed) return segment->live.find(seq) != nullptr;
    return with_index(*segment, [seq](const SealedEvents& events) -> Result<bool> {
        const auto place = events.index.find(seq);
        if (place.has_error()) return place.error();
        return *place && !events.settled.test(**place);
    });
}

Result<bool> LogSegments::settle(Seq seq) {
    Segment* segment = of(seq);
    if (segment == nullptr) return false;
    const auto settled = settle_in(*segment, seq);
    if (settled.has_error()) return settled.error();
    settling_.erase(seq);
    if (*settled) --queued_;
    return *settled;
}

Result<bool> LogSegments::settle_in(Segment& segment, Seq seq) {
    if (!segment.sealed) return segment.live.settle(seq);
    return with_index(segment, [seq](SealedEvents& events) -> Result<bool> {
        const auto place = events.index.find(seq);
        if (place.has_error()) return place.error();
        return *place && events.settle(**place);
    });
}

Result<void> LogSegments::settle(const SeqRange& range, bool fresh) {
    const Seq end{to_number(range.first) + range.count};
    const Segment* const begin = of(range.first);
    for (Segment& segment : segments_) {
        if (begin != nullptr && segment.header.next_seq < begin->header.next_seq) continue;
        if (segment.header.next_seq >= end) break;
        if (!segment.sealed) {
            if (fresh) queued_ -= segment.live.settle(range.first, end);
            continue;
        }
        const auto settled = with_index(segment, [&](SealedEvents& events) -> Result<std::size_t> {
            const auto first = events.index.lower_bound(range.first);
            if (first.has_error()) return first.error();
            const auto last = events.index.lower_bound(end);
            if (last.has_error()) return last.error();
            std::size_t count = 0;
            for (std::size_t place = *first; place < *last; ++place) {
                if (events.settle(place)) ++count;
                if (!fresh) events.fresh.reset(place);
            }
            return count;
        });
        if (settled.has_error()) return settled.error();
        queued_ -= *settled;
    }
    return {};
}

void LogSegments::add(const RecordHeader& event, std::uint64_t offset) {
    newest().add(event, offset);
    ++queued_;
}

// --- looking -------------------------------------------------------------------------------------

Result<std::vector<EventQueue::Backlog>> LogSegments::backlog() {
    std::map<TokenId, EventQueue::Backlog> tokens;
    const auto count = [&tokens](TokenId token, std::uint64_t events, Seq first) {
        EventQueue::Backlog& backlog = tokens[token];
        if (backlog.events == 0) backlog.first = first;
        backlog.events += events;
    };
    for (Segment& segment : segments_) {
        if (!segment.sealed) {
            segment.live.for_each(
                [&](const IndexedEvent& event) { count(event.token, 1, event.seq); });
            continue;
        }
        if (segment.sealed->live == 0) continue;
        struct Part {
            TokenId token;
            std::uint64_t events;
            Seq first;
        };
        const auto parts =
            with_index(segment, [](const SealedEvents& events) -> Result<std::vector<Part>> {
                std::vector<Part> found;
                for (std::size_t i = 0; i < events.index.tokens(); ++i) {
                    const auto run = events.index.token_at(i);
                    if (run.has_error()) return run.error();
                    Part part{run->token, 0, Seq::none};
                    // Nothing in it is settled, as usual in a large backlog: no need to check each
                    // event.
                    if (events.live == events.index.size() && run->count > 0) {
                        const auto place = events.index.by_token(run->begin);
                        if (place.has_error()) return place.error();
                        const auto seq = events.index.seq_at(*place);
                        if (seq.has_error()) return seq.error();
                        found.push_back({run->token, run->count, *seq});
                        continue;
                    }
                    for (std::size_t at = run->begin; at < run->begin + run->count; ++at) {
                        const auto place = events.index.by_token(at);
                        if (place.has_error()) return place.error();
                        if (events.settled.test(*place)) continue;
                        if (part.events++ > 0) continue;
                        const auto seq = events.index.seq_at(*place);
                        if (seq.has_error()) return seq.error();
                        part.first = *seq;
                    }
                    if (part.events > 0) found.push_back(part);
                }
                return found;
            });
        if (parts.has_error()) return parts.error();
        for (const Part& part : *parts) count(part.token, part.events, part.first);
    }
    std::vector<EventQueue::Backlog> all;
    for (auto& [token, backlog] : tokens) {
        backlog.token = token;
        all.push_back(backlog);
    }
    return all;
}

/// Executes one load() over the segments, one after the other.
class LogSegments::Loading {
public:
    Loading(const core::LoadRequest& request, const std::unordered_set<Seq>& settling,
            std::vector<Place>& places)
        : request_(request), settling_(settling), places_(places) {
        slice_.end = request.after;
    }

    void begin(Segment& segment) { segment_ = &segment; }

    /// Examines an event. Returns false when the load is complete.
    bool look(const IndexedEvent& event) {
        if (slice_.events.size() == request_.limit || ++looks_ > max_looks) {
            slice_.complete = false;
            return false;
        }
        slice_.end = event.seq;
        const bool wanted = event.token == request_.token && !settling_.contains(event.seq) &&
                            (!request_.thread_hash || *request_.thread_hash == event.thread_hash);
        if (wanted) {
            slice_.events.push_back({event.seq,
                                     {event.token, event.thread_hash},
                                     event.accepted,
                                     event.expires,
                                     event.bytes});
            places_.push_back({segment_, event});
        }
        return true;
    }

    Result<void> look(const SealedEvents& events) {
        const auto run = events.index.find(request_.token);
        if (run.has_error()) return run.error();
        if (!*run) return {};
        const std::size_t end = (*run)->begin + (*run)->count;
        auto at = first_behind(events.index, (*run)->begin, end);
        if (at.has_error()) return at.error();
        for (; *at < end; ++*at) {
            const auto place = events.index.by_token(*at);
            if (place.has_error()) return place.error();
            if (events.settled.test(*place)) continue;
            const auto event = events.index.at(*place);
            if (event.has_error()) return event.error();
            // After an error everything is examined again: skip what was taken already.
            if (event->seq > slice_.end && !look(*event)) return {};
        }
        return {};
    }

    const core::LoadedSlice& slice() const noexcept { return slice_; }

private:
    /// Returns the first position in a token's run whose seq is after those examined.
    Result<std::size_t> first_behind(const SegmentIndex& index, std::size_t low,
                                     std::size_t high) const {
        const auto first = index.lower_bound(Seq{to_number(slice_.end) + 1});
        if (first.has_error()) return first.error();
        while (low < high) {
            const std::size_t middle = low + (high - low) / 2;
            const auto place = index.by_token(middle);
            if (place.has_error()) return place.error();
            if (*place < *first) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    const core::LoadRequest& request_;
    const std::unordered_set<Seq>& settling_;
    std::vector<Place>& places_;
    Segment* segment_ = nullptr;
    core::LoadedSlice slice_;
    std::size_t looks_ = 0;
};

Result<core::LoadedSlice> LogSegments::load(const core::LoadRequest& request,
                                            std::vector<Place>& places) {
    Loading loading(request, settling_, places);
    for (auto segment = segments_.begin(); segment != segments_.end(); ++segment) {
        const auto next = std::next(segment);
        const bool before = next != segments_.end() && next->header.next_seq <= request.after;
        if (before || segment->queued() == 0) continue;
        loading.begin(*segment);
        if (segment->sealed) {
            const auto looked = with_index(
                *segment, [&loading](const SealedEvents& events) { return loading.look(events); });
            if (looked.has_error()) return looked.error();
        } else if (segment->tokens.contains(request.token)) {
            segment->live.for_each_after(request.after, [&loading](const IndexedEvent& event) {
                return loading.look(event);
            });
        }
        if (!loading.slice().complete) break;
    }
    return loading.slice();
}

namespace {

/// Passes the runs of these tokens in an index to `use`, until it returns false or an error. Looks
/// up each token or examines each run, whichever is less.
template <class Use>
Result<void> for_each_run(const SegmentIndex& index, const LogSegments::Tokens& tokens, Use use) {
    if (tokens.size() < index.tokens()) {
        for (const TokenId token : tokens) {
            const auto run = index.find(token);
            if (run.has_error()) return run.error();
            if (!*run) continue;
            const Result<bool> more = use(**run);
            if (more.has_error()) return more.error();
            if (!*more) return {};
        }
        return {};
    }
    for (std::size_t i = 0; i < index.tokens(); ++i) {
        const auto run = index.token_at(i);
        if (run.has_error()) return run.error();
        if (!tokens.contains(run->token)) continue;
        const Result<bool> more = use(*run);
        if (more.has_error()) return more.error();
        if (!*more) return {};
    }
    return {};
}

}  // namespace

Result<void> LogSegments::queued_of(const Tokens& tokens, Segment& segment,
                                    const std::function<void(Seq, TokenId)>& add) {
    const auto add_queued = [&](Seq seq, TokenId token) {
        if (!settling_.contains(seq)) add(seq, token);
    };
    if (!segment.sealed) {
        segment.live.for_each([&](const IndexedEvent& event) {
            if (tokens.contains(event.token)) add_queued(event.seq, event.token);
        });
        return {};
    }
    if (segment.sealed->live == 0) return {};
    return with_index(segment, [&](const SealedEvents& events) -> Result<void> {
        return for_each_run(events.index, tokens, [&](const auto& run) -> Result<bool> {
            for (std::size_t at = run.begin; at < run.begin + run.count; ++at) {
                const auto place = events.index.by_token(at);
                if (place.has_error()) return place.error();
                if (events.settled.test(*place)) continue;
                const auto seq = events.index.seq_at(*place);
                if (seq.has_error()) return seq.error();
                add_queued(*seq, run.token);
            }
            return true;
        });
    });
}

Result<bool> LogSegments::mentions(Segment& segment, const Tokens& tokens) {
    if (!segment.sealed) {
        return std::ranges::any_of(tokens,
                                   [&](TokenId token) { return segment.tokens.contains(token); });
    }
    return with_index(segment, [&](const SealedEvents& events) -> Result<bool> {
        bool found = false;
        const auto done = for_each_run(events.index, tokens, [&](const auto&) -> Result<bool> {
            found = true;
            return false;
        });
        if (done.has_error()) return done.error();
        return found;
    });
}

// --- indexes -------------------------------------------------------------------------------------

Result<void> LogSegments::seal_newest() {
    Segment& segment = newest();
    auto settled = fresh_ranges();
    if (settled.has_error()) return settled.error();
    IndexContents contents;
    contents.number = segment.header.number;
    contents.salt = segment.header.salt;
    contents.end = segment.end;
    contents.highest_seq = segment.highest_seq;
    contents.newest_own_id = segment.newest_own_id;
    contents.damaged = segment.damaged;
    contents.events = segment.live.take();
    contents.tokens = segment.tokens.sorted();
    contents.settled = std::move(*settled);
    segment.sealed.emplace(files_.write_index(segment.header.number, encode_index(contents)));
    segment.tokens = {};
    for (Segment& older : segments_) {
        if (!older.sealed || &older == &segment) continue;
        older.sealed->cold = older.sealed->fresh.none();
        older.sealed->fresh.reset();
    }
    return {};
}

/// Returns the events of sealed segments that the newest segment settles.
Result<std::vector<SeqRange>> LogSegments::fresh_ranges() {
    std::vector<SeqRange> ranges;
    for (Segment& segment : segments_) {
        if (!segment.sealed || segment.sealed->fresh.none()) continue;
        const auto seqs =
            with_index(segment, [](const SealedEvents& events) -> Result<std::vector<SeqRange>> {
                std::vector<SeqRange> found;
                const auto& fresh = events.fresh;
                for (auto at = fresh.find_first(); at != SealedEvents::Bits::npos;
                     at = fresh.find_next(at)) {
                    const auto seq = events.index.seq_at(at);
                    if (seq.has_error()) return seq.error();
                    const bool goes_on =
                        !found.empty() &&
                        to_number(found.back().first) + found.back().count == to_number(*seq);
                    if (goes_on) {
                        ++found.back().count;
                    } else {
                        found.push_back({*seq, 1});
                    }
                }
                return found;
            });
        if (seqs.has_error()) return seqs.error();
        ranges.insert(ranges.end(), seqs->begin(), seqs->end());
    }
    return ranges;
}

Result<void> LogSegments::renew_index(Segment& segment, LogFiles::IndexPlace place) {
    const ScanRange range{segment_header_size, segment.end, ScanRange::Tail::exact};
    auto scan = scan_segment(*segment.file, segment.header, range, std::nullopt);
    if (scan.result.unreadable) {
        return unreadable_error(files_.segment_path(segment.header.number),
                                *scan.result.unreadable);
    }
    const IndexContents contents = index_contents(segment.header, std::move(scan));
    segment.damaged = segment.damaged || contents.damaged;  // needed by erasure
    if (contents.events.size() != segment.sealed->index.size()) {
        // A start would trust this index until it finds the same damage.
        files_.drop_index(segment.header.number);
        return Error{QueueErrc::damaged,
                     fmt::format("{} and its index are damaged: restart flowrelayd, so that it "
                                 "looks at all of them",
                                 files_.segment_path(segment.header.number))};
    }
    segment.sealed->index =
        files_.write_index(segment.header.number, encode_index(contents), place);
    return {};
}

}  // namespace flowrelay::storage
