// Histograms, and the text formats for monitoring systems.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flowrelay::core {

/// Counts how many values were at most each of some bounds. One thread observes; any thread may
/// read. A reading may be slightly old, but is consistent.
class Histogram {
public:
    /// `bounds` must be in increasing order.
    explicit Histogram(std::initializer_list<double> bounds);

    void observe(double value) noexcept;

    struct Reading {
        std::vector<std::pair<double, std::uint64_t>> buckets;  ///< bound, values up to it
        std::uint64_t count = 0;
        double sum = 0;
    };
    Reading read() const;

private:
    std::vector<double> bounds_;
    std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;  ///< one more than bounds
    std::atomic<double> sum_{0};
};

/// Writes metrics as text: OpenMetrics 1.0 (https://openmetrics.io), or Prometheus' own format
/// 0.0.4 for clients that do not ask for OpenMetrics. Names follow OpenMetrics: a family
/// "flowrelay_retries" of type counter has the sample flowrelay_retries_total; the unit is the end
/// of the name.
class MetricsText {
public:
    enum class Format { openmetrics, prometheus };
    enum class Type { gauge, counter, histogram, info, stateset };
    using Label = std::pair<std::string_view, std::string_view>;
    using Labels = std::initializer_list<Label>;

    explicit MetricsText(Format format) : format_(format) {}

    /// Begins a family; the next samples belong to it. `unit` may be empty.
    void family(std::string_view name, Type type, std::string_view unit, std::string_view help);

    void sample(std::uint64_t value, Labels labels = {});
    void sample(std::int64_t value, Labels labels = {});
    void sample(double value, Labels labels = {});
    void sample(const Histogram& histogram);

    /// Completes the text and returns it.
    std::string take();

private:
    void begin_sample(std::string_view suffix, Labels labels);

    Format format_;
    std::string text_;
    std::string name_;
    Type type_ = Type::gauge;
};

}  // namespace flowrelay::core
