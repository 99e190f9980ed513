#include "flowrelay/core/throughput.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace flowrelay::core {

namespace {

constexpr std::array<Seconds, 3> windows{Seconds(10), Seconds(30), Throughput::memory};

// Samples that are late by less than this still count for a window.
constexpr std::chrono::milliseconds late_look{500};

Seconds time_for(std::uint64_t events, double per_second) noexcept {
    constexpr double most = 100.0 * 365 * 86'400;
    return Seconds(static_cast<std::int64_t>(
        std::ceil(std::min(static_cast<double>(events) / per_second, most))));
}

}  // namespace

void Throughput::note(MonoTime now, std::uint64_t accepted, std::uint64_t queued) {
    if (!samples_.empty() && now <= samples_.back().at) return;
    samples_.push_back({now, accepted, queued});
    while (samples_.size() > 2 && samples_[1].at <= now - memory) samples_.pop_front();
}

MonoTime::duration Throughput::watched() const noexcept {
    if (samples_.empty()) return MonoTime::duration(0);
    return std::min<MonoTime::duration>(memory, samples_.back().at - samples_.front().at);
}

std::vector<Rates> Throughput::rates() const {
    std::vector<Rates> all;
    if (samples_.empty()) return all;
    const Sample& last = samples_.back();
    for (const Seconds window : windows) {
        // The latest sample that is old enough.
        const auto first = std::find_if(
            samples_.rbegin(), samples_.rend(),
            [&](const Sample& sample) { return last.at - sample.at >= window - late_look; });
        if (first == samples_.rend()) break;
        const MonoTime::duration over = last.at - first->at;
        const auto accepted = static_cast<double>(last.accepted - first->accepted);
        const double fewer = static_cast<double>(first->queued) - static_cast<double>(last.queued);
        // Replayed dead letters enter the queue without being accepted.
        all.push_back({accepted / in_seconds(over),
                       std::max(0.0, accepted + fewer) / in_seconds(over), over});
    }
    return all;
}

DrainEstimate estimate_drain(const Backlog& backlog, std::span<const Rates> rates) noexcept {
    using State = DrainEstimate::State;
    const std::uint64_t moving = backlog.queued - std::min(backlog.stuck, backlog.queued);
    if (backlog.queued == 0) return {State::empty, Seconds(0), Seconds(0)};
    if (backlog.held || moving == 0) return {State::held, Seconds(0), std::nullopt};
    if (rates.empty()) return {State::unknown, Seconds(0), std::nullopt};
    const auto net = [](const Rates& each) { return each.left - each.accepted; };
    const auto [slowest, fastest] = std::ranges::minmax(rates, {}, net);
    if (net(fastest) <= 0) return {State::never, Seconds(0), std::nullopt};
    DrainEstimate estimate{State::drains, time_for(moving, net(fastest)), std::nullopt};
    if (net(slowest) > 0) estimate.to = time_for(moving, net(slowest));
    return estimate;
}

}  // namespace flowrelay::core
