#include "flowrelay/runtime/metrics.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "flowrelay/base/time.hpp"

namespace flowrelay::runtime {

namespace {

class TimedCommits final : public storage::CommitObserver {
public:
    explicit TimedCommits(std::shared_ptr<Metrics> metrics) : metrics_(std::move(metrics)) {}

    void begins() override { began_ = std::chrono::steady_clock::now(); }
    void ended(std::size_t events) override {
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began_;
        metrics_->commit_duration.observe(took.count());
        metrics_->commit_events.observe(static_cast<double>(events));
    }

private:
    std::shared_ptr<Metrics> metrics_;
    MonoTime began_{};
};

}  // namespace

void ProducerCounts::note(const std::optional<core::Producer>& producer) {
    const std::string uid = producer ? std::to_string(producer->uid) : std::string();
    const std::string_view unit = producer ? std::string_view(producer->unit) : "";
    const auto fits = [&](const Count& count) { return count.uid == uid && count.unit == unit; };
    if (last_ >= counts_.size() || !fits(counts_[last_])) {
        auto found = std::ranges::find_if(counts_, fits);
        if (found == counts_.end() && counts_.size() < most) {
            counts_.push_back({uid, std::string(unit), 0});
            found = counts_.end() - 1;
        }
        if (found == counts_.end()) {
            found = std::ranges::find(counts_, "other", &Count::uid);
            if (found == counts_.end()) found = counts_.insert(found, Count{"other", "", 0});
        }
        last_ = static_cast<std::size_t>(found - counts_.begin());
    }
    ++counts_[last_].events;
}

void Metrics::note_attempt(const core::AttemptResult& result) noexcept {
    if (result.end != core::AttemptEnd::response) {
        ++failures.at(static_cast<std::size_t>(result.end));
        return;
    }
    const auto first_digit = static_cast<std::size_t>(result.status / 100);
    if (first_digit < answers.size()) ++answers.at(first_digit);
    if (result.elapsed > MonoTime::duration::zero()) {
        request_duration.observe(in_seconds(result.elapsed));
    }
}

std::shared_ptr<storage::CommitObserver> observe_commits(std::shared_ptr<Metrics> metrics) {
    return std::make_shared<TimedCommits>(std::move(metrics));
}

}  // namespace flowrelay::runtime
