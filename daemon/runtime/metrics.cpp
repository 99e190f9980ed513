#include "flowrelay/runtime/metrics.hpp"

#include <chrono>
#include <utility>

#include "flowrelay/base/time.hpp"

namespace flowrelay::runtime {

namespace {

class TimedCommits final : public CommitObserver {
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

void Metrics::note_attempt(const core::AttemptResult& result) noexcept {
    if (result.end != core::AttemptEnd::response) {
        ++failures.at(static_cast<std::size_t>(result.end));
        return;
    }
    const auto first_digit = static_cast<std::size_t>(result.status / 100);
    if (first_digit < answers.size()) ++answers.at(first_digit);
    if (result.elapsed > MonoTime::duration::zero()) {
        request_duration.observe(std::chrono::duration<double>(result.elapsed).count());
    }
}

std::shared_ptr<CommitObserver> observe_commits(std::shared_ptr<Metrics> metrics) {
    return std::make_shared<TimedCommits>(std::move(metrics));
}

}  // namespace flowrelay::runtime
