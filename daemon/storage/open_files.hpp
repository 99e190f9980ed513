// A file system that holds few files open at a time, however many of its files are in use: a file
// is opened when it is used and closed when others are used after it. A log with a large backlog
// has thousands of sealed segments and indexes, and reads a few of them.
//
// A file keeps its meaning, as on the file system below: one that was renamed is found under its
// new name, and one whose name was taken away or given to another stays open until it goes. What
// was written and not synced yet stays open too, so that no error of it is lost.
//
// Used by one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::storage {

class OpenFiles final : public FileSystem {
public:
    /// `max_open` files stay open, and more only while they have to. `below` outlives this, and so
    /// does this its files.
    OpenFiles(FileSystem& below, std::size_t max_open);
    ~OpenFiles() override;

    std::size_t open_now() const noexcept;

    Result<std::unique_ptr<File>> create(const std::string& path) override;
    Result<std::unique_ptr<File>> open(const std::string& path) override;
    Result<std::unique_ptr<File>> open_read_only(const std::string& path) override;
    Result<void> rename(const std::string& from, const std::string& to) override;
    Result<void> remove(const std::string& path) override;

    Result<void> link(const std::string& from, const std::string& to) override {
        return below_.link(from, to);
    }
    Result<void> sync_directory(const std::string& path) override {
        return below_.sync_directory(path);
    }
    Result<void> make_directory(const std::string& path) override {
        return below_.make_directory(path);
    }
    Result<std::vector<std::string>> list(const std::string& path) override {
        return below_.list(path);
    }
    Result<bool> exists(const std::string& path) override { return below_.exists(path); }
    Result<std::shared_ptr<void>> lock(const std::string& path) override {
        return below_.lock(path);
    }
    Result<std::optional<std::string>> lock_holder(const std::string& path) override {
        return below_.lock_holder(path);
    }
    Result<std::uint64_t> free_space(const std::string& path) override {
        return below_.free_space(path);
    }

private:
    class Handle;
    class Table;

    FileSystem& below_;
    std::unique_ptr<Table> table_;
};

}  // namespace flowrelay::storage
