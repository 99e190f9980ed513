// A file system that keeps few files open, however many are in use: a file is opened when it is
// used and closed after others were used. A log with a large backlog has thousands of sealed
// segments and indexes, and reads a few of them at a time.
//
// A file behaves like an open file of the underlying file system: a renamed file is found under its
// new name, and a file whose name was removed or given to another stays open until it is destroyed.
// A file with unsynced writes also stays open, so that no error of these writes is lost.
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
    /// Keeps `max_open` files open, and more only while necessary. `below` must outlive this, and
    /// this must outlive its files.
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
