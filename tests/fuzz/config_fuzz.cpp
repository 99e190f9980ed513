// Any bytes as a configuration file. They are refused with problems that say where and what, or
// give a configuration that `flowrelay config show` can write and that reads back the same.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/app/config.hpp"

namespace app = flowrelay::app;

namespace {

void require(bool condition, const char* what, const std::string& text) {
    if (condition) return;
    std::fprintf(stderr, "broken promise: %s\n%s\n", what, text.c_str());
    std::abort();
}

std::optional<app::Config> parse(std::string_view text) {
    try {
        return app::parse_config(text, "fuzz.yaml");
    } catch (const app::ConfigError& error) {
        require(!error.problems().empty(), "a refusal names a problem", error.what());
        for (const app::ConfigProblem& problem : error.problems()) {
            require(problem.file == "fuzz.yaml", "a problem names the file", error.what());
            require(!problem.message.empty(), "a problem says what it is", error.what());
            require(problem.line >= 0 && problem.column >= 0, "a problem lies in the file",
                    error.what());
        }
        return std::nullopt;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto config = parse({reinterpret_cast<const char*>(data), size});
    if (!config) return 0;
    const std::string shown = app::show_config(*config);
    const auto again = parse(shown);
    require(again.has_value(), "what is shown can be read", shown);
    require(app::show_config(*again) == shown, "what is shown reads back the same", shown);
    return 0;
}
