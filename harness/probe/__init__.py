"""Each known defect of a recording library as a small experiment against the installed versions."""
