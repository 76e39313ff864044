-- Before every script of this folder.
--
-- {aegis}:schedule  hash: entry of the schedule -> its record as JSON

